//! The stages of recognition.

/// The stages of a lane, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// Audio from the streams: segments, voice activity.
    Ingest,
    /// Samples → features.
    Features,
    /// Features → hidden frames.
    Encoder,
    /// Hidden frames → tokens.
    Decoder,
    /// Tokens → events of the streams.
    Emit,
}

impl StageKind {
    /// Every stage, in order.
    pub const ALL: [StageKind; 5] =
        [StageKind::Ingest, StageKind::Features, StageKind::Encoder, StageKind::Decoder, StageKind::Emit];

    /// The lower-case name, as in config files and reports.
    pub fn name(self) -> &'static str {
        match self {
            StageKind::Ingest => "ingest",
            StageKind::Features => "features",
            StageKind::Encoder => "encoder",
            StageKind::Decoder => "decoder",
            StageKind::Emit => "emit",
        }
    }
}
