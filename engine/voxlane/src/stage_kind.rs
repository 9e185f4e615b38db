//! The stages of recognition.

/// The stages of a lane, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// The stage that takes audio from the streams: segments, voice activity.
    Ingest,
    /// The stage that makes feature frames of samples.
    Features,
    /// The stage that makes hidden frames of feature frames.
    Encoder,
    /// The stage that makes tokens of hidden frames.
    Decoder,
    /// The stage that makes the streams' events of tokens.
    Emit,
    /// The stage beside the others that hears whether a speaker has finished. Only where the rules ask for it.
    Turn,
}

impl StageKind {
    /// Every stage, in order.
    pub const ALL: [StageKind; 6] = [
        StageKind::Ingest,
        StageKind::Features,
        StageKind::Encoder,
        StageKind::Decoder,
        StageKind::Emit,
        StageKind::Turn,
    ];

    /// The stages that every lane has, in order.
    pub const CHAIN: [StageKind; 5] =
        [StageKind::Ingest, StageKind::Features, StageKind::Encoder, StageKind::Decoder, StageKind::Emit];

    /// Returns the lower-case name, as in configuration files and reports.
    pub fn name(self) -> &'static str {
        match self {
            StageKind::Ingest => "ingest",
            StageKind::Features => "features",
            StageKind::Encoder => "encoder",
            StageKind::Decoder => "decoder",
            StageKind::Emit => "emit",
            StageKind::Turn => "turn",
        }
    }
}
