//! `--rate`, `--channels`, `--encoding`: what audio without a header is.

use crate::failure::Failure;
use clap::ValueEnum;
use voxlane::audio::file::{MAX_CHANNELS, RawEncoding, RawFormat, Reader};
use voxlane::audio::{ENGINE_RATE_HZ, MAX_RATE_HZ, MIN_RATE_HZ};

/// What the command line says of audio without a header.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct RawArgs {
    /// Samples per second of audio without a header [default: 16000]
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(i64::from(MIN_RATE_HZ)..=i64::from(MAX_RATE_HZ)))]
    rate: Option<u32>,
    /// Channels of audio without a header, interleaved [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_CHANNELS as i64))]
    channels: Option<u16>,
    /// How samples without a header are stored [default: s16le]
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
}

/// How samples without a header are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    /// 16-bit integers, little-endian
    S16le,
    /// 32-bit floats, little-endian, full scale ±1.0
    F32le,
    /// G.711 µ-law
    Mulaw,
    /// G.711 A-law
    Alaw,
}

impl RawArgs {
    /// Whether anything was said.
    pub fn is_given(&self) -> bool {
        self.rate.is_some() || self.channels.is_some() || self.encoding.is_some()
    }

    /// The format, with the defaults for what was not said.
    pub fn format(&self) -> RawFormat {
        RawFormat {
            encoding: match self.encoding.unwrap_or(Encoding::S16le) {
                Encoding::S16le => RawEncoding::S16Le,
                Encoding::F32le => RawEncoding::F32Le,
                Encoding::Mulaw => RawEncoding::MuLaw,
                Encoding::Alaw => RawEncoding::ALaw,
            },
            sample_rate: self.rate.unwrap_or(ENGINE_RATE_HZ),
            channels: self.channels.map_or(1, usize::from),
        }
    }

    /// What was said and is otherwise in the header of what is read.
    pub fn contradictions(&self, reader: &Reader) -> Vec<String> {
        let Some(kind) = reader.kind() else { return Vec::new() };
        let mut found = Vec::new();
        let mut add = |option: &str, said: String, is: String| {
            found.push(format!("the header of this {kind} file counts, not {option} {said}: {is}"));
        };
        if let Some(rate) = self.rate.filter(|&rate| rate != reader.sample_rate()) {
            add("--rate", rate.to_string(), format!("{} Hz", reader.sample_rate()));
        }
        if let Some(channels) = self.channels.filter(|&channels| usize::from(channels) != reader.channels()) {
            add("--channels", channels.to_string(), reader.channels().to_string());
        }
        if let Some(encoding) = self.encoding
            && reader.encoding() != Some(self.format().encoding)
        {
            let name = encoding.to_possible_value().map(|value| value.get_name().to_owned());
            let is = "the samples are stored in another way".to_owned();
            add("--encoding", name.unwrap_or_default(), is);
        }
        found
    }

    /// Refuses to describe audio that describes itself.
    ///
    /// # Errors
    /// [`Failure`] naming `input`, if anything was said.
    pub fn refuse(&self, input: &str) -> Result<(), Failure> {
        if self.is_given() {
            return Err(Failure::usage(
                format!("--rate, --channels, --encoding: for audio without a header only (found {input})"),
                "leave them out",
            ));
        }
        Ok(())
    }
}
