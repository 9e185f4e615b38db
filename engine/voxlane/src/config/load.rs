//! Reading and checking a configuration file.

use super::check::InvalidField;
use super::merge::{self, Places};
use super::{Config, Profile};
use crate::error_code::ErrorCode;
use documented::DocumentedFields;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::fs::{File, FileType};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;
use toml::de::{DeTable, Deserializer, ValueDeserializer};

/// More than any configuration has.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The key that names the profile.
const PROFILE_KEY: &str = "profile";

/// A place in a configuration file. Lines count from 1; without a file there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The file, if the configuration came from one.
    pub file: Option<PathBuf>,
    /// The line.
    pub line: Option<usize>,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}", file.display()),
            (Some(file), None) => write!(f, "{}", file.display()),
            (None, Some(line)) => write!(f, "configuration line {line}"),
            (None, None) => write!(f, "configuration"),
        }
    }
}

/// A fault of a configuration. Retrying does not help until it is changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It is not TOML, a key is unknown, or a value has the wrong type.
    #[error("{at}: {message}")]
    Syntax {
        /// The place.
        at: Located,
        /// The fault.
        message: String,
    },
    /// A value is out of range.
    #[error("{at}: {field} = {value}: {message}")]
    Value {
        /// The place.
        at: Located,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The rule that it breaks.
        message: String,
    },
    /// A core that the machine does not have.
    #[error("{at}: core {core}: not in this machine (expected one of {existing})")]
    NoSuchCore {
        /// The place.
        at: Located,
        /// The core.
        core: usize,
        /// The cores there are.
        existing: String,
    },
    /// A core that exists but that the process may not use.
    #[error("{at}: core {core}: not in this process's affinity mask (expected one of {allowed})")]
    CoreNotAllowed {
        /// The place.
        at: Located,
        /// The core.
        core: usize,
        /// The cores it may use.
        allowed: String,
    },
}

impl ConfigError {
    /// Returns the error's stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            ConfigError::Read { .. } => ErrorCode::ConfigRead,
            ConfigError::Syntax { .. } => ErrorCode::ConfigSyntax,
            ConfigError::Value { .. } => ErrorCode::ConfigValue,
            ConfigError::NoSuchCore { .. } => ErrorCode::ConfigNoSuchCore,
            ConfigError::CoreNotAllowed { .. } => ErrorCode::ConfigCoreNotAllowed,
        }
    }
}

impl Config {
    /// Reads a file; what it does not state is as in [`Config::default`], unless it names another [`Profile`]. Its
    /// placement is checked when an engine starts or by [`Source::placement`].
    ///
    /// # Errors
    /// [`ConfigError`] naming the file, the line and the field.
    pub fn load(file: &Path) -> Result<Source, ConfigError> {
        Config::load_as(file, Profile::Manual)
    }

    /// Reads a file as [`Config::load`] does; what it does not state is as in `profile`, unless it names another.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_as(file: &Path, profile: Profile) -> Result<Source, ConfigError> {
        Config::load_beside(file, profile, &[])
    }

    /// Reads a file as [`Config::load_as`] does that also has tables of others, as [`Source::parse_beside`] says.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_beside(
        file: &Path,
        profile: Profile,
        others: &'static [&'static str],
    ) -> Result<Source, ConfigError> {
        let text = read(file).map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        Source::parse_beside(text, Some(file.to_owned()), profile, others)
    }
}

/// A configuration and the text it came from, so that errors can name lines.
///
/// ```
/// use voxlane::config::{Profile, Source};
///
/// let text = "profile = \"live\"\n[[lane]]\nslots = 8\n";
/// let source = Source::parse(text.into(), Some("demo.toml".into()))?;
/// assert_eq!((source.profile(), source.config.lanes[0].slots), (Profile::Live, 8));
///
/// let error = Source::parse("\n[[lane]]\nslots = 0".into(), Some("demo.toml".into())).unwrap_err();
/// assert_eq!(error.to_string(), "demo.toml:3: lane.slots = 0: must be from 1 to 4096");
/// # Ok::<(), voxlane::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The configuration.
    pub config: Config,
    profile: Profile,
    file: Option<PathBuf>,
    text: String,
    /// Where the text states values, and what these were: the configuration may be changed since.
    places: Places,
    loaded: toml::Table,
    /// Tables that the text may have beside the configuration.
    others: &'static [&'static str],
}

impl From<Config> for Source {
    fn from(config: Config) -> Self {
        Source { config, ..Source::default() }
    }
}

impl From<Profile> for Source {
    fn from(profile: Profile) -> Self {
        Source { config: profile.config(), profile, ..Source::default() }
    }
}

impl Source {
    /// Parses a text; `file` is what errors call it. What it does not state is as in [`Config::default`], unless it
    /// names another [`Profile`].
    ///
    /// # Errors
    /// [`ConfigError`] naming the line and the field.
    pub fn parse(text: String, file: Option<PathBuf>) -> Result<Self, ConfigError> {
        Source::parse_as(text, file, Profile::Manual)
    }

    /// Parses a text as [`Source::parse`] does; what it does not state is as in `profile`, unless it names another.
    ///
    /// # Errors
    /// As [`Source::parse`].
    pub fn parse_as(text: String, file: Option<PathBuf>, profile: Profile) -> Result<Self, ConfigError> {
        Source::parse_beside(text, file, profile, &[])
    }

    /// Parses a text as [`Source::parse_as`] does that may also have the tables `others`, which are not the engine's:
    /// [`Source::table`] reads them.
    ///
    /// # Errors
    /// As [`Source::parse`].
    ///
    /// ```
    /// use voxlane::config::{Profile, Source};
    ///
    /// #[derive(serde::Deserialize)]
    /// #[serde(deny_unknown_fields)]
    /// struct Shop {
    ///     doors: u8,
    /// }
    ///
    /// let parse = |text: &str| Source::parse_beside(text.into(), None, Profile::Live, &["shop"]);
    /// assert_eq!(parse("[shop]\ndoors = 2")?.table::<Shop>("shop")?.map(|shop| shop.doors), Some(2));
    /// let error = parse("[shop]\ndoor = 2")?.table::<Shop>("shop").err();
    /// assert_eq!(
    ///     error.map(|error| error.to_string()).as_deref(),
    ///     Some("configuration line 2: unknown field `door` (expected `doors`)")
    /// );
    /// assert!(parse("[shops]").is_err());
    /// # Ok::<(), voxlane::config::ConfigError>(())
    /// ```
    pub fn parse_beside(
        text: String,
        file: Option<PathBuf>,
        profile: Profile,
        others: &'static [&'static str],
    ) -> Result<Self, ConfigError> {
        let mut source = Source { profile, file, text, others, ..Source::default() };
        match merged(&source.text, profile, others) {
            Ok((profile, config, places)) => {
                source = Source { profile, config, places, ..source };
                source.loaded = toml::Table::try_from(&source.config).unwrap_or_default();
            }
            Err(Misfit { span, message }) => {
                return Err(ConfigError::Syntax { at: source.locate(span), message });
            }
        }
        source.check_values()?;
        Ok(source)
    }

    /// Returns the profile, whose values hold where the text states nothing.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Reads a table that is not the engine's; none if the text does not have it, or it was not named when the text was parsed.
    ///
    /// # Errors
    /// [`ConfigError`] naming the line and the field.
    pub fn table<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        if !self.others.contains(&name) {
            return Ok(None);
        }
        let read = || {
            let table = DeTable::parse(&self.text)?.into_inner().remove(name);
            Ok(table.map(|table| T::deserialize(ValueDeserializer::from(table))).transpose()?)
        };
        read().map_err(|Misfit { span, message }| ConfigError::Syntax { at: self.locate(span), message })
    }

    /// Returns whether the text has such a table.
    pub fn has_table(&self, name: &str) -> bool {
        self.others.contains(&name) && self.places.contains_key(name)
    }

    /// Returns the error that an invalid field of such a table is, with its line if the text states the value.
    pub fn refuse(&self, fault: InvalidField) -> ConfigError {
        self.refused(fault)
    }

    /// The line that a range of bytes begins on.
    pub(crate) fn locate(&self, span: Option<Range<usize>>) -> Located {
        let line = span.filter(|_| !self.text.is_empty()).map(|span| {
            let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
            1 + before.iter().filter(|&&byte| byte == b'\n').count()
        });
        Located { file: self.file.clone(), line }
    }

    pub(super) fn check_values(&self) -> Result<(), ConfigError> {
        match self.config.fault() {
            Some(fault) => Err(self.refused(fault)),
            None => Ok(()),
        }
    }

    /// The error that `fault` is, with its line if the file states the value, else with that of the other field.
    pub(super) fn refused(&self, fault: InvalidField) -> ConfigError {
        let InvalidField { field, value, rule, other, lane } = fault;
        let stated = [Some(field), other].into_iter().flatten().find_map(|field| {
            let path = match (lane, field.strip_prefix("lane.")) {
                (Some(number), Some(field)) => format!("lane.{number}.{field}"),
                _ => field.to_owned(),
            };
            self.stated(&path)
        });
        ConfigError::Value { at: self.place_of(stated), field, value, message: rule }
    }

    /// Where the file states the value of the field at `path`; nowhere if it does not.
    pub(super) fn place(&self, path: &str) -> Located {
        self.place_of(self.stated(path))
    }

    /// A value that a program or the command line gave stands in no file.
    fn place_of(&self, stated: Option<Range<usize>>) -> Located {
        stated.map_or_else(Located::default, |span| self.locate(Some(span)))
    }

    /// Where the file states the value of the field at `path`, unless the value was changed since.
    fn stated(&self, path: &str) -> Option<Range<usize>> {
        let span = self.places.get(path)?;
        if path.split('.').next().is_some_and(|table| self.others.contains(&table)) {
            return Some(span.clone());
        }
        let now = toml::Table::try_from(&self.config).ok()?;
        let is_same = get(&now, path)? == get(&self.loaded, path)?;
        is_same.then(|| span.clone())
    }
}

/// What is wrong in a text, and where.
struct Misfit {
    span: Option<Range<usize>>,
    message: String,
}

impl From<toml::de::Error> for Misfit {
    fn from(error: toml::de::Error) -> Self {
        let message = match error.message().split_once(", expected ") {
            Some((problem, expected)) => format!("{problem} (expected {expected})"),
            None => error.message().to_owned(),
        };
        Misfit { span: error.span(), message }
    }
}

/// The first key of `file` that is no field of a configuration. The fields know nothing of the profile, so that their own
/// check would not name it among what may stand there.
fn unknown_key(file: &DeTable<'_>) -> Option<Misfit> {
    let is_unknown = |key: &&toml::Spanned<_>| !Config::FIELD_NAMES.contains(&AsRef::as_ref(key.get_ref()));
    let key = file.keys().filter(is_unknown).min_by_key(|key| key.span().start)?;
    let known = std::iter::once(&PROFILE_KEY).chain(Config::FIELD_NAMES);
    let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
    let message = format!("unknown field `{}` (expected one of {})", key.get_ref(), known.join(", "));
    Some(Misfit { span: Some(key.span()), message })
}

/// The profile that `text` names, or else `profile`; its values with those of `text` over them; where these stand.
/// What the tables `others` hold is left out.
fn merged(text: &str, profile: Profile, others: &[&str]) -> Result<(Profile, Config, Places), Misfit> {
    let mut file = DeTable::parse(text)?;
    let profile = match file.get_mut().remove(PROFILE_KEY) {
        Some(name) => Profile::deserialize(ValueDeserializer::from(name))?,
        None => profile,
    };
    let places = merge::places(file.get_ref());
    others.iter().for_each(|&table| drop(file.get_mut().remove(table)));
    if let Some(misfit) = unknown_key(file.get_ref()) {
        return Err(misfit);
    }
    let base = toml::to_string(&profile.config()).map_err(<toml::de::Error as serde::de::Error>::custom)?;
    let base = merge::without_places(DeTable::parse(&base)?.into_inner());
    let span = file.span();
    let merged = toml::Spanned::new(span, merge::over(base, file.into_inner()));
    Ok((profile, Config::deserialize(Deserializer::from(merged))?, places))
}

/// The value at a path such as `lane.0.slots`.
fn get<'a>(table: &'a toml::Table, path: &str) -> Option<&'a toml::Value> {
    let mut keys = path.split('.');
    let first = table.get(keys.next()?)?;
    keys.try_fold(first, |value, key| match key.parse::<usize>() {
        Ok(index) => value.get(index),
        Err(_) => value.get(key),
    })
}

/// The text of the file, which is a regular one or a pipe.
fn read(file: &Path) -> io::Result<String> {
    let opened = File::open(file)?;
    let kind = opened.metadata()?.file_type();
    if kind.is_dir() || is_device(kind) {
        let problem = "not a configuration file (expected a file or a pipe, found a directory or a device)";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let mut text = Vec::new();
    opened.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        let problem = format!("too long for a configuration (expected at most {MAX_FILE_BYTES} bytes)");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    String::from_utf8(text).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
}

#[cfg(unix)]
fn is_device(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_block_device() || kind.is_char_device()
}

#[cfg(not(unix))]
fn is_device(_kind: FileType) -> bool {
    false
}
