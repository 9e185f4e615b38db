//! The part of Python's pickle language, protocol 2, that describes a dictionary of tensors.
//!
//! Nothing is imported or called: the names of three functions are known and stand for what they make. Every instruction
//! takes time and memory in proportion to the bytes and values that it consumes, and their number is bounded: what is
//! recalled from the memo is shared, not copied, and how deep a value is nested is kept beside it.

use super::content::shown;
use super::error::Problem;
use std::collections::HashMap;
use std::rc::Rc;

/// What a program leaves behind. A copy shares the content.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `None`, booleans, floats: nothing that a tensor is described by.
    Other,
    Int(i64),
    Text(Rc<str>),
    Tuple(Rc<Tuple>),
    List(List),
    Dict(Dict),
    /// A name in a module.
    Global(Rc<str>),
    Storage(Rc<Storage>),
    Tensor(Rc<TensorValue>),
}

#[derive(Debug, PartialEq)]
pub(super) struct Tuple {
    pub items: Vec<Value>,
    depth: usize,
}

/// How many there are is of no interest, nor what they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct List {
    depth: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Dict {
    /// In the order of insertion.
    pub pairs: Vec<(Value, Value)>,
    depth: usize,
}

/// What the archive's members are named by: kind, element type, key, device, length.
#[derive(Debug, PartialEq)]
pub(super) struct Storage {
    element: Rc<str>,
    key: Rc<str>,
}

/// A view into a storage, in elements.
#[derive(Debug, PartialEq)]
pub(super) struct TensorValue {
    pub element: Rc<str>,
    pub key: Rc<str>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// More instructions than any state dict takes: some 30 a tensor.
const MAX_INSTRUCTIONS: usize = 1 << 21;
/// Deeper nesting than any state dict has.
const MAX_DEPTH: usize = 32;
/// Longer than any name of a storage: these are numbers.
const MAX_KEY_BYTES: usize = 64;
/// The most dimensions that a tensor of PyTorch's has.
const MAX_DIMENSIONS: usize = 64;

/// Runs the program.
pub(super) fn load(bytes: &[u8]) -> Result<Value, Problem> {
    let mut machine = Machine { rest: bytes, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    for _ in 0..MAX_INSTRUCTIONS {
        if let Some(value) = machine.step()? {
            return Ok(value);
        }
    }
    Err(endless())
}

impl Value {
    /// How many containers lie within each other, this one included.
    fn depth(&self) -> usize {
        match self {
            Value::Tuple(tuple) => tuple.depth,
            Value::List(list) => list.depth,
            Value::Dict(dict) => dict.depth,
            _ => 0,
        }
    }
}

/// The depth of a container of `depth` after `values` came into it.
fn depth_with<'a>(depth: usize, values: impl IntoIterator<Item = &'a Value>) -> Result<usize, Problem> {
    let depth = values.into_iter().map(|value| value.depth() + 1).fold(depth.max(1), usize::max);
    if depth > MAX_DEPTH { Err(endless()) } else { Ok(depth) }
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
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
            b'}' => self.stack.push(Value::Dict(Dict::default())),
            b']' => self.stack.push(Value::List(List::default())),
            b')' => self.wrap(Vec::new())?,
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
                self.dict()?.extend([(key, value)])?;
            }
            b'u' => {
                let mut items = self.since_mark()?.into_iter();
                let pairs = std::iter::from_fn(|| Some((items.next()?, items.next()?)));
                self.dict()?.extend(pairs)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.list()?.extend(&[item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.list()?.extend(&items)?;
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
        self.stack.push(Value::Text(text.into()));
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

    fn wrap(&mut self, items: Vec<Value>) -> Result<(), Problem> {
        let depth = depth_with(0, &items)?;
        self.stack.push(Value::Tuple(Rc::new(Tuple { items, depth })));
        Ok(())
    }

    fn put(&mut self, len: usize) -> Result<(), Problem> {
        let number = self.number(len)?;
        let value = self.stack.last().ok_or_else(empty)?;
        // What is filled later is never asked for again in a state dict, and would have to be shared while it changes.
        if !matches!(value, Value::Dict(_) | Value::List(_)) {
            self.memo.insert(number, value.clone());
        }
        Ok(())
    }

    fn get(&mut self, len: usize) -> Result<(), Problem> {
        let number = self.number(len)?;
        let value = self.memo.get(&number);
        let value = value.ok_or_else(|| Problem::damaged("the pickle recalls what it never stored"))?;
        self.stack.push(value.clone());
        Ok(())
    }

    fn dict(&mut self) -> Result<&mut Dict, Problem> {
        match self.stack.last_mut() {
            Some(Value::Dict(dict)) => Ok(dict),
            _ => Err(Problem::damaged("the pickle adds a pair to what is no dictionary")),
        }
    }

    fn list(&mut self) -> Result<&mut List, Problem> {
        match self.stack.last_mut() {
            Some(Value::List(list)) => Ok(list),
            _ => Err(Problem::damaged("the pickle adds an item to what is no list")),
        }
    }

    fn line(&mut self) -> Result<&'a str, Problem> {
        let len = self
            .rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or_else(|| Problem::damaged("the pickle ends too early"))?;
        let line = self.bytes(len)?;
        self.bytes(1)?;
        std::str::from_utf8(line).map_err(|_| Problem::damaged("a name in the pickle is not UTF-8"))
    }

    fn global(&mut self) -> Result<(), Problem> {
        let (module, name) = (self.line()?, self.line()?);
        let is_known = match module {
            "torch" => name.ends_with("Storage"),
            "torch._utils" => matches!(name, "_rebuild_tensor_v2" | "_rebuild_parameter"),
            "collections" => name == "OrderedDict",
            _ => false,
        };
        if !is_known {
            let (module, name) = (shown(module), shown(name));
            return Err(Problem::unsupported(format!("the checkpoint wants to run {module}.{name}")));
        }
        self.stack.push(Value::Global(name.into()));
        Ok(())
    }

    /// `('storage', type, key, device, elements)` names a storage.
    fn storage(&mut self) -> Result<(), Problem> {
        let Value::Tuple(tuple) = self.pop()? else { return Err(no_storage()) };
        let [Value::Text(kind), Value::Global(element), Value::Text(key), ..] = &tuple.items[..] else {
            return Err(no_storage());
        };
        if **kind != *"storage" || key.len() > MAX_KEY_BYTES {
            return Err(no_storage());
        }
        let (element, key) = (Rc::clone(element), Rc::clone(key));
        self.stack.push(Value::Storage(Rc::new(Storage { element, key })));
        Ok(())
    }

    fn call(&mut self) -> Result<(), Problem> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Tuple(arguments), Value::Global(name)) = (arguments, function) else {
            return Err(Problem::damaged("the pickle calls what is no function"));
        };
        let value = match (&*name, &arguments.items[..]) {
            ("OrderedDict", _) => Value::Dict(Dict::default()),
            // Of a parameter's arguments the first is its tensor.
            ("_rebuild_parameter", [tensor, ..]) => tensor.clone(),
            ("_rebuild_tensor_v2", arguments) => tensor(arguments)
                .ok_or_else(|| Problem::damaged("a tensor in the pickle has impossible sizes"))?,
            _ => return Err(Problem::unsupported(format!("the checkpoint wants to call {name}"))),
        };
        self.stack.push(value);
        Ok(())
    }
}

impl Dict {
    fn extend(&mut self, pairs: impl IntoIterator<Item = (Value, Value)>) -> Result<(), Problem> {
        for (key, value) in pairs {
            self.depth = depth_with(self.depth, [&key, &value])?;
            self.pairs.push((key, value));
        }
        Ok(())
    }
}

impl List {
    fn extend(&mut self, items: &[Value]) -> Result<(), Problem> {
        self.depth = depth_with(self.depth, items)?;
        Ok(())
    }
}

/// From storage, offset, shape, strides.
fn tensor(arguments: &[Value]) -> Option<Value> {
    let [Value::Storage(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides), ..] =
        arguments
    else {
        return None;
    };
    let sizes = |tuple: &Tuple| -> Option<Vec<usize>> {
        let size = |item: &Value| if let Value::Int(n) = item { usize::try_from(*n).ok() } else { None };
        (tuple.items.len() <= MAX_DIMENSIONS).then(|| tuple.items.iter().map(size).collect())?
    };
    let (shape, strides) = (sizes(shape)?, sizes(strides)?);
    let offset = usize::try_from(*offset).ok()?;
    let (element, key) = (Rc::clone(&storage.element), Rc::clone(&storage.key));
    let tensor = TensorValue { element, key, offset, shape, strides };
    (tensor.shape.len() == tensor.strides.len()).then(|| Value::Tensor(Rc::new(tensor)))
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
        assert!(is_refused(&doubled(40)));
        // More instructions than any checkpoint has.
        assert!(is_refused(&[&b"N".repeat(MAX_INSTRUCTIONS)[..], b"."].concat()));
    }

    /// A program in which each of `count` tuples holds the one before twice.
    fn doubled(count: u8) -> Vec<u8> {
        let mut program = b"Nq\0".to_vec();
        for number in 0..count {
            program.extend([b'h', number, b'h', number, 0x86, b'q', number + 1]);
        }
        program.push(b'.');
        program
    }

    /// Copying took 10 s for a file of 270 kB; in the shape of each tensor it was four seconds of walking.
    #[test]
    fn what_is_recalled_is_shared() {
        let shared = |mut program: Vec<u8>, recalls: usize| {
            // Everything is put into one tuple.
            program.splice(0..0, *b"(");
            program.extend(b"h\0".repeat(recalls));
            program.extend(b"t.");
            let Value::Tuple(tuple) = load(&program).unwrap() else { panic!("a tuple") };
            let address = |value: &Value| match value {
                Value::Text(text) => text.as_ptr().addr(),
                Value::Tuple(tuple) => Rc::as_ptr(tuple).addr(),
                other => panic!("{other:?}"),
            };
            assert!(tuple.items.iter().all(|item| address(item) == address(&tuple.items[0])));
            assert_eq!(tuple.items.len(), recalls + 1);
        };
        // A text of a megabyte, and a tuple of 300 000, each recalled a hundred thousand times.
        let mut text = vec![b'X', 0, 0, 16, 0];
        text.extend(std::iter::repeat_n(b'a', 1 << 20));
        text.extend(b"q\0");
        shared(text, 100_000);
        let mut tuple = vec![b'('];
        tuple.extend(b"N".repeat(300_000));
        tuple.extend(b"tq\0");
        shared(tuple, 100_000);
        // Tuples that would be a thousand million if each were a copy.
        assert!(matches!(load(&doubled(30)).unwrap(), Value::Tuple(tuple) if tuple.depth == 30));
    }

    #[test]
    fn a_tensor_has_no_more_dimensions_than_pytorch_allows() {
        let tensor = |dimensions: usize| {
            let sizes = [&b"("[..], &b"K\x01".repeat(dimensions), b"t"].concat();
            let storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000tQ";
            let call = b"ctorch._utils\n_rebuild_tensor_v2\n(";
            load(&[&call[..], storage, b"K\0", &sizes, &sizes, b"tR."].concat())
        };
        assert!(matches!(tensor(64).unwrap(), Value::Tensor(tensor) if tensor.shape == [1; 64]));
        assert!(matches!(tensor(65), Err(Problem::Damaged(_))));
    }

    #[test]
    fn what_a_state_dict_does_is_understood() {
        let program = b"\x80\x02}(X\x01\0\0\0aq\0K\x05h\0(K\x01K\x02tu.";
        let Value::Dict(dict) = load(program).unwrap() else { panic!("a dictionary") };
        let text = Value::Text("a".into());
        let tuple = Tuple { items: vec![Value::Int(1), Value::Int(2)], depth: 1 };
        let pairs = [(text.clone(), Value::Int(5)), (text, Value::Tuple(Rc::new(tuple)))];
        assert_eq!(dict.pairs, pairs);
    }
}
