//! The part of Python's pickle language, protocol 2, that describes a dictionary of tensors.
//!
//! Nothing is imported or called: the names of three functions are known and stand for what they make.

use super::error::Problem;
use std::collections::HashMap;

/// What a program leaves behind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `None`, booleans, floats: nothing that a tensor is described by.
    Other,
    Int(i64),
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    /// In the order of insertion.
    Dict(Vec<(Value, Value)>),
    /// A module and a name in it.
    Global(String, String),
    /// What the archive's members are named by: kind, element type, key, device, length.
    Storage {
        element: String,
        key: String,
    },
    Tensor(Box<TensorValue>),
}

/// A view into a storage, in elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TensorValue {
    pub element: String,
    pub key: String,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// More values at once than any state dict has.
const MAX_STACK: usize = 1 << 20;
/// Deeper nesting than any state dict has.
const MAX_DEPTH: usize = 32;
/// More than all values together that any state dict stores and recalls: in nodes and bytes of text.
const MAX_COPIED: usize = 1 << 22;

/// Runs the program.
pub(super) fn load(bytes: &[u8]) -> Result<Value, Problem> {
    let mut machine =
        Machine { rest: bytes, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), copied: 0 };
    loop {
        if let Some(value) = machine.step()? {
            return Ok(value);
        }
        if machine.stack.len() > MAX_STACK {
            return Err(endless());
        }
    }
}

impl Value {
    /// Nodes and bytes of text.
    fn size(&self) -> usize {
        match self {
            Value::Text(text) => 1 + text.len(),
            Value::Tuple(items) | Value::List(items) => 1 + items.iter().map(Value::size).sum::<usize>(),
            Value::Dict(pairs) => {
                1 + pairs.iter().map(|(key, value)| key.size() + value.size()).sum::<usize>()
            }
            Value::Global(module, name) => 1 + module.len() + name.len(),
            Value::Storage { element, key } => 1 + element.len() + key.len(),
            Value::Tensor(tensor) => 1 + tensor.element.len() + tensor.key.len() + 2 * tensor.shape.len(),
            Value::Other | Value::Int(_) => 1,
        }
    }

    /// Whether no more than `depth` containers lie within each other.
    fn is_within(&self, depth: usize) -> bool {
        match self {
            Value::Tuple(items) | Value::List(items) => {
                depth > 0 && items.iter().all(|item| item.is_within(depth - 1))
            }
            Value::Dict(pairs) => {
                depth > 0
                    && pairs.iter().all(|(key, value)| key.is_within(depth - 1) && value.is_within(depth - 1))
            }
            _ => true,
        }
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
    /// The size of all that was copied to the memo and from it.
    copied: usize,
}

impl<'a> Machine<'a> {
    /// One instruction; a value where it was the last.
    fn step(&mut self) -> Result<Option<Value>, Problem> {
        let code = self.number(1)?;
        match code as u8 {
            0x80 => match self.number(1)? {
                2..=5 => {}
                version => return Err(Problem::unsupported(format!("pickle protocol {version}"))),
            },
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'N' | 0x88 | 0x89 => self.stack.push(Value::Other),
            b'G' => {
                self.bytes(8)?;
                self.stack.push(Value::Other);
            }
            b'K' => self.int(1)?,
            b'M' => self.int(2)?,
            b'J' => {
                let value = self.number(4)? as u32 as i32;
                self.stack.push(Value::Int(i64::from(value)));
            }
            0x8a => self.long()?,
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            b'}' => self.stack.push(Value::Dict(Vec::new())),
            b']' => self.stack.push(Value::List(Vec::new())),
            b')' => self.stack.push(Value::Tuple(Vec::new())),
            b't' => {
                let items = self.since_mark()?;
                self.wrap(items)?;
            }
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b'q' => self.put(1)?,
            b'r' => self.put(4)?,
            b'h' => self.get(1)?,
            b'j' => self.get(4)?,
            b'c' => self.global()?,
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                shallow(&[&key, &value])?;
                self.dict()?.push((key, value));
            }
            b'u' => {
                let items = self.since_mark()?;
                shallow(&items.iter().collect::<Vec<_>>())?;
                let mut items = items.into_iter();
                let dict = self.dict()?;
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    dict.push((key, value));
                }
            }
            b'a' => {
                let item = self.pop()?;
                shallow(&[&item])?;
                self.list()?.push(item);
            }
            b'e' => {
                let items = self.since_mark()?;
                shallow(&items.iter().collect::<Vec<_>>())?;
                self.list()?.extend(items);
            }
            // Attributes of an object, such as the version marks of a state dict.
            b'b' => {
                self.pop()?;
            }
            other => return Err(Problem::unsupported(format!("pickle instruction {other:#04x}"))),
        }
        Ok(None)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Problem> {
        let (bytes, rest) =
            self.rest.split_at_checked(len).ok_or_else(|| Problem::damaged("the pickle ends too early"))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn number(&mut self, len: usize) -> Result<usize, Problem> {
        Ok(self.bytes(len)?.iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte)))
    }

    fn int(&mut self, len: usize) -> Result<(), Problem> {
        let value = self.number(len)?;
        self.stack.push(Value::Int(value as i64));
        Ok(())
    }

    /// A number of any length; those of more than eight bytes describe no tensor.
    fn long(&mut self) -> Result<(), Problem> {
        let len = self.number(1)?;
        let bytes = self.bytes(len)?;
        let is_negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut whole = [if is_negative { 0xff } else { 0 }; 8];
        let value = match whole.get_mut(..len) {
            Some(part) => {
                part.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(whole))
            }
            None => Value::Other,
        };
        self.stack.push(value);
        Ok(())
    }

    fn text(&mut self, len_bytes: usize) -> Result<(), Problem> {
        let len = self.number(len_bytes)?;
        let text = std::str::from_utf8(self.bytes(len)?)
            .map_err(|_| Problem::damaged("a text in the pickle is not UTF-8"))?;
        self.stack.push(Value::Text(text.to_owned()));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, Problem> {
        self.stack.pop().ok_or_else(empty)
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, Problem> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or_else(empty)?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, count: usize) -> Result<(), Problem> {
        let start = self.stack.len().checked_sub(count).ok_or_else(empty)?;
        let items = self.stack.split_off(start);
        self.wrap(items)
    }

    /// Makes a tuple. Each is looked through to its bottom: what it holds is shallow already.
    fn wrap(&mut self, items: Vec<Value>) -> Result<(), Problem> {
        let tuple = Value::Tuple(items);
        shallow(&[&tuple])?;
        self.stack.push(tuple);
        Ok(())
    }

    /// Counts a copy of a value, before it is made.
    fn charge(&mut self, size: usize) -> Result<(), Problem> {
        self.copied = self.copied.saturating_add(size);
        if self.copied > MAX_COPIED { Err(endless()) } else { Ok(()) }
    }

    fn put(&mut self, len: usize) -> Result<(), Problem> {
        let number = self.number(len)?;
        let value = self.stack.last().ok_or_else(empty)?;
        // What is filled later is never asked for again in a state dict, and a copy of it could grow without end.
        if !matches!(value, Value::Dict(_) | Value::List(_)) {
            let size = value.size();
            self.charge(size)?;
            let value = self.stack.last().ok_or_else(empty)?;
            self.memo.insert(number, value.clone());
        }
        Ok(())
    }

    fn get(&mut self, len: usize) -> Result<(), Problem> {
        let number = self.number(len)?;
        let absent = || Problem::damaged("the pickle recalls what it never stored");
        let size = self.memo.get(&number).ok_or_else(absent)?.size();
        self.charge(size)?;
        let value = self.memo.get(&number).ok_or_else(absent)?.clone();
        self.stack.push(value);
        Ok(())
    }

    fn dict(&mut self) -> Result<&mut Vec<(Value, Value)>, Problem> {
        match self.stack.last_mut() {
            Some(Value::Dict(pairs)) => Ok(pairs),
            _ => Err(Problem::damaged("the pickle adds a pair to what is no dictionary")),
        }
    }

    fn list(&mut self) -> Result<&mut Vec<Value>, Problem> {
        match self.stack.last_mut() {
            Some(Value::List(items)) => Ok(items),
            _ => Err(Problem::damaged("the pickle adds an item to what is no list")),
        }
    }

    fn line(&mut self) -> Result<String, Problem> {
        let len = self
            .rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or_else(|| Problem::damaged("the pickle ends too early"))?;
        let line = self.bytes(len)?;
        self.bytes(1)?;
        String::from_utf8(line.to_vec()).map_err(|_| Problem::damaged("a name in the pickle is not UTF-8"))
    }

    fn global(&mut self) -> Result<(), Problem> {
        let (module, name) = (self.line()?, self.line()?);
        let is_known = match module.as_str() {
            "torch" => name.ends_with("Storage"),
            "torch._utils" => matches!(name.as_str(), "_rebuild_tensor_v2" | "_rebuild_parameter"),
            "collections" => name == "OrderedDict",
            _ => false,
        };
        if !is_known {
            return Err(Problem::unsupported(format!("the checkpoint wants to run {module}.{name}")));
        }
        self.stack.push(Value::Global(module, name));
        Ok(())
    }

    /// `('storage', type, key, device, elements)` names a storage.
    fn storage(&mut self) -> Result<(), Problem> {
        let Value::Tuple(items) = self.pop()? else { return Err(no_storage()) };
        let [Value::Text(kind), Value::Global(_, element), Value::Text(key), ..] = &items[..] else {
            return Err(no_storage());
        };
        if kind != "storage" {
            return Err(no_storage());
        }
        self.stack.push(Value::Storage { element: element.clone(), key: key.clone() });
        Ok(())
    }

    fn call(&mut self) -> Result<(), Problem> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Tuple(mut arguments), Value::Global(_, name)) = (arguments, function) else {
            return Err(Problem::damaged("the pickle calls what is no function"));
        };
        let value = match name.as_str() {
            "OrderedDict" => Value::Dict(Vec::new()),
            // Of a parameter's arguments the first is its tensor.
            "_rebuild_parameter" if !arguments.is_empty() => arguments.swap_remove(0),
            "_rebuild_tensor_v2" => tensor(&arguments)
                .ok_or_else(|| Problem::damaged("a tensor in the pickle has impossible sizes"))?,
            _ => return Err(Problem::unsupported(format!("the checkpoint wants to call {name}"))),
        };
        self.stack.push(value);
        Ok(())
    }
}

/// From storage, offset, shape, strides.
fn tensor(arguments: &[Value]) -> Option<Value> {
    let [Value::Storage { element, key }, Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides), ..] =
        arguments
    else {
        return None;
    };
    let sizes = |items: &[Value]| -> Option<Vec<usize>> {
        items
            .iter()
            .map(|item| if let Value::Int(n) = item { usize::try_from(*n).ok() } else { None })
            .collect()
    };
    let (shape, strides) = (sizes(shape)?, sizes(strides)?);
    let offset = usize::try_from(*offset).ok()?;
    (shape.len() == strides.len()).then(|| {
        Value::Tensor(Box::new(TensorValue {
            element: element.clone(),
            key: key.clone(),
            offset,
            shape,
            strides,
        }))
    })
}

/// An error where values lie too deep to go into another container.
fn shallow(values: &[&Value]) -> Result<(), Problem> {
    if values.iter().all(|value| value.is_within(MAX_DEPTH)) { Ok(()) } else { Err(endless()) }
}

fn endless() -> Problem {
    Problem::damaged("the pickle nests or repeats without end")
}

fn empty() -> Problem {
    Problem::damaged("the pickle takes more than it has")
}

fn no_storage() -> Problem {
    Problem::damaged("the pickle names a storage in an unknown way")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(program: &[u8]) -> bool {
        matches!(load(program), Err(Problem::Damaged(_)))
    }

    #[test]
    fn small_programs_that_would_grow_without_end_are_refused() {
        // A tuple around a tuple around a tuple.
        let mut nested = vec![0x80, 2, b'N'];
        nested.extend(std::iter::repeat_n(0x85, 300_000));
        assert!(is_refused(&[&nested[..], b"."].concat()));
        // Lists and dictionaries in each other.
        assert!(is_refused(&[&b"]".repeat(300_000)[..], &b"a".repeat(299_999), b"."].concat()));
        assert!(is_refused(&[&b"}N".repeat(100_000)[..], b"N", &b"s".repeat(100_000), b"."].concat()));
        // Each tuple holds the one before twice.
        let mut doubled = b"Nq\0".to_vec();
        for number in 0..30 {
            doubled.extend([b'h', number, b'h', number, 0x86, b'q', number + 1]);
        }
        assert!(is_refused(&[&doubled[..], b"."].concat()));
        // One long text, recalled again and again.
        let mut long = vec![b'X', 0, 0, 16, 0];
        long.extend(std::iter::repeat_n(b'a', 1 << 20));
        long.extend(b"q\0");
        long.extend(b"h\0".repeat(100_000));
        assert!(is_refused(&[&long[..], b"."].concat()));
    }

    #[test]
    fn what_a_state_dict_does_is_understood() {
        let program = b"\x80\x02}(X\x01\0\0\0aq\0K\x05h\0(K\x01K\x02tu.";
        let text = Value::Text("a".into());
        let tuple = Value::Tuple(vec![Value::Int(1), Value::Int(2)]);
        assert_eq!(load(program).unwrap(), Value::Dict(vec![(text.clone(), Value::Int(5)), (text, tuple)]));
    }
}
