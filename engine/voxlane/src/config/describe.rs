//! A configuration as a file that states every field below its comment. The comments are the documentation of the fields.

use super::{
    Config, EndpointConfig, Hotword, LaneConfig, MemoryConfig, PartialConfig, SegmentConfig, StageCores,
    SuperviseConfig, WarmConfig,
};
use documented::DocumentedFields;
use serde::Serialize;
use std::fmt::Write;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use voxlane_models::device::DeviceOptions;

impl Config {
    /// Returns this configuration as a TOML file with every field and its comment. Read again, it is the same configuration.
    /// `unset` returns what is written behind the name of a field that has no value.
    ///
    /// # Errors
    /// What a program put in may have no form in TOML, such as a number beyond 63 bits.
    pub fn describe(&self, unset: impl Fn(&str) -> String) -> Result<String, toml::ser::Error> {
        let text = toml::to_string(self)?;
        let parsed = DeTable::parse(&text).map_err(<toml::ser::Error as serde::ser::Error>::custom)?;
        let mut page = Page { text: &text, unset: &unset, inner: &documentation_of, out: String::new() };
        page.table("", "", parsed.get_ref(), &documentation::<Config>());
        Ok(page.out)
    }
}

/// Returns a table of others as [`Config::describe`] returns the engine's: below its header, every field with its comment.
/// `inner` returns the documentation of the tables in it, by their names.
///
/// # Errors
/// As there.
pub fn describe_table<T: Serialize + DocumentedFields>(
    name: &str,
    table: &T,
    inner: &dyn Fn(&str) -> Option<Documentation>,
    unset: impl Fn(&str) -> String,
) -> Result<String, toml::ser::Error> {
    let text = toml::to_string(table)?;
    let parsed = DeTable::parse(&text).map_err(<toml::ser::Error as serde::ser::Error>::custom)?;
    let mut page = Page { text: &text, unset: &unset, inner, out: format!("\n[{name}]\n") };
    page.inside(&format!("{name}."), parsed.get_ref(), &documentation::<T>());
    Ok(page.out)
}

/// The names and the comments of the fields of a table, in order.
#[derive(Clone, Copy, Debug)]
pub struct Documentation {
    names: &'static [&'static str],
    texts: &'static [&'static str],
}

impl Documentation {
    /// Returns those of a type.
    pub fn of<T: DocumentedFields>() -> Self {
        documentation::<T>()
    }
}

fn documentation<T: DocumentedFields>() -> Documentation {
    Documentation { names: T::FIELD_NAMES, texts: T::FIELD_DOCS }
}

/// Of the table that is the value of the field called `name`.
fn documentation_of(name: &str) -> Option<Documentation> {
    Some(match name {
        "lane" => documentation::<LaneConfig>(),
        "cores" => documentation::<StageCores>(),
        "hotword" => documentation::<Hotword>(),
        "device" => documentation::<DeviceOptions>(),
        "warm" => documentation::<WarmConfig>(),
        "segment" => documentation::<SegmentConfig>(),
        "endpoint" => documentation::<EndpointConfig>(),
        "partial" => documentation::<PartialConfig>(),
        "memory" => documentation::<MemoryConfig>(),
        "supervise" => documentation::<SuperviseConfig>(),
        #[cfg(feature = "fault-injection")]
        "fault" => documentation::<super::FaultConfig>(),
        _ => return None,
    })
}

/// The file as far as it is written.
struct Page<'a> {
    /// What the serializer made of the configuration: values are copied from it as they stand there.
    text: &'a str,
    unset: &'a dyn Fn(&str) -> String,
    /// The documentation of tables within, by their names.
    inner: &'a dyn Fn(&str) -> Option<Documentation>,
    out: String,
}

impl Page<'_> {
    /// Writes the fields of a table below `header`, plain ones first, as TOML wants it.
    fn table(&mut self, header: &str, comment: &str, table: &DeTable<'_>, fields: &Documentation) {
        if !header.is_empty() {
            self.out.push('\n');
            self.comment(comment);
            self.line(header);
        }
        self.inside("", table, fields);
    }

    /// Writes the fields of a table whose header is there; `prefix` is what stands in front of the names of tables in it.
    fn inside(&mut self, prefix: &str, table: &DeTable<'_>, fields: &Documentation) {
        let fields = || fields.names.iter().zip(fields.texts);
        for (name, text) in fields() {
            match table.get(*name).map(Spanned::get_ref) {
                None => {
                    self.comment(text);
                    let unset = (self.unset)(name);
                    self.line(&format!("# {name}{unset}"));
                }
                Some(value) if has_table(name, value) => {}
                Some(_) => {
                    self.comment(text);
                    let value = self.value(name, &table[*name]);
                    self.line(&format!("{name} = {value}"));
                }
            }
        }
        for (name, text) in fields() {
            let (Some(value), Some(fields)) = (table.get(*name), (self.inner)(name)) else { continue };
            match value.get_ref() {
                value @ DeValue::Table(table) if has_table(name, value) => {
                    self.table(&format!("[{prefix}{name}]"), text, table, &fields);
                }
                DeValue::Array(items) => {
                    for item in items.iter() {
                        let DeValue::Table(table) = item.get_ref() else { continue };
                        self.table(&format!("[[{prefix}{name}]]"), text, table, &fields);
                    }
                }
                _ => {}
            }
        }
    }

    /// The value of the field called `name` on one line.
    fn value(&self, name: &str, value: &Spanned<DeValue<'_>>) -> String {
        let (DeValue::Table(table), Some(fields)) = (value.get_ref(), (self.inner)(name)) else {
            return self.text[value.span()].to_owned();
        };
        let present = fields.names.iter().filter_map(|name| Some((name, table.get(*name)?)));
        let pairs: Vec<_> =
            present.map(|(name, value)| format!("{name} = {}", self.value(name, value))).collect();
        format!("{{ {} }}", pairs.join(", "))
    }

    fn comment(&mut self, text: &str) {
        // Links are for those who read the documentation.
        for line in text.replace("[`", "`").replace("`]", "`").lines() {
            self.line(&format!("# {line}"));
        }
    }

    fn line(&mut self, line: &str) {
        // A string takes whatever is written.
        let _ = writeln!(self.out, "{line}");
    }
}

/// Whether a value stands below a header of its own; the cores of a lane stand in one line.
fn has_table(name: &str, value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(_) => name != "cores",
        DeValue::Array(items) => items.iter().any(|item| matches!(item.get_ref(), DeValue::Table(_))),
        _ => false,
    }
}
