//! What the messages of a stream say, edge by edge, and who deals with what.
//!
//! ```text
//!         Request         AudioControl          SpanControl          SpanControl          TokensControl
//! client ────────► ingest ────────────► features ──────────► encoder ──────────► decoder ────────────► emit ──► client
//! ```
//!
//! Every edge has its own type, so that each stage matches what can come to it and nothing else. A client's [`Request`]s
//! lie among its samples. Ingest decides where segments begin and end, and says it, as a [`Control`], in order with
//! the samples. Features make [`PassKind`]s of segments: work for the network, whose result takes the place of the pass.
//! Controls go through all stages; what follows the beginning of a pass of the same stream comes out after its result.
//!
//! A stream behind features:
//!
//! ```text
//!               Start                    ┌─┐ Chunk, Partial, Speculative
//!   ┌────────┐ ──────────────► ┌──────┐ ◄┘ │ Query
//!   │ silent │                 │ open │ ───┘
//!   └────────┘ ◄────────────── └──────┘
//!       │        End, Final        │         anywhere: Marker, OptionsChanged, Notice
//!       │ Last                     │ Abort   from silence too: Abort
//!       ▼                          ▼
//!   the slot is free, and its next generation may begin
//! ```
//!
//! | | ingest | features | encoder | decoder | emit and client |
//! |---|---|---|---|---|---|
//! | `Start` | sends | resets the front end | – | – | `SpeechStart` |
//! | `End` | sends | begins the final | – | – | `Endpoint` |
//! | `Marker` | sends | holds it back while a segment is open | – | – | `Marker` |
//! | `OptionsChanged` | sends | completes the chunk before it | – | takes the options from the slot's settings | – |
//! | `Query` | sends, and waits for the answer when it needs it | completes the chunk before it | – | answers by the slot table | – |
//! | `EagerEnd` | sends | – | – | adds the text so far | `EagerEnd` |
//! | `Resumed` | sends | – | – | – | `Resumed` |
//! | `Notice` | sends | – | – | – | `Error` |
//! | `Last` | sends | – | – | drops the options | `Closed`; the slot is free |
//! | `Abort` | sends | resets | resets | resets | the slot is free |
//!
//! A [dummy](crate::warm) has the slot [`WARM_SLOT`](voxlane_runtime::message::WARM_SLOT): features read its `Start`,
//! `End` and `Abort` and pass none of them on, and its passes end at emit.

/// Client → ingest: what is asked for once the message's samples have been passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Request {
    /// Nothing: the message carries samples only.
    #[default]
    None,
    /// The open segment ends here.
    EndSegment,
    /// A marker with this number, to be answered in order.
    Mark(u32),
    /// From here on the options apply that wait for the decoder.
    ChangeOptions,
}

/// What a stream says beside its audio and its text. Goes through all stages, in order with both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// A segment opens.
    #[default]
    Start,
    /// The open segment ends; the payload has its extent.
    End,
    /// The marker with this number: everything before it has been dealt with when it comes out.
    Marker(u32),
    /// From here on the options apply that wait for the decoder.
    OptionsChanged,
    /// Ingest asks the decoder by this number: a network that takes audio in chunks, for how long it has found nothing;
    /// another, how likely its text of the open segment ends a sentence.
    Query(u32),
    /// The speaker has probably finished: the text so far goes to the client ahead of the endpoint.
    EagerEnd,
    /// The speaker goes on after an eager end.
    Resumed,
    /// Something about the signal.
    Notice(Notice),
    /// Nothing follows in this generation.
    Last,
    /// The generation is abandoned: forget what it left behind.
    Abort,
}

/// What is worth saying about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nothing but digital silence arrives.
    NoAudio,
    /// The audio is clipped.
    Clipping,
}

/// A run of the network over an open segment, or over one that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassKind {
    /// A partial result of the open segment. It is dropped for finals, unless markers wait for it.
    Partial {
        /// Markers wait for it.
        is_awaited: bool,
    },
    /// The next chunks of a network that takes audio in chunks. The network goes on from it, so nothing drops it.
    Chunk {
        /// Markers wait for it: its result is handed over even if it says nothing new.
        is_awaited: bool,
    },
    /// The open segment as if it ended here: its final, should the endpoint be confirmed.
    Speculative {
        /// The result is shown as a partial.
        is_shown: bool,
    },
    /// The same once more, behind the audio and the text of the segment before: the likelier of both texts is the final.
    /// Follows a speculative pass over the same samples.
    Context,
    /// The segment's final.
    Final,
    /// The result of the speculative pass, as an eager end for the client.
    Eager,
    /// A dummy's, which keeps caches warm and reaches no client.
    WarmUp {
        /// The dummy's segment ends with it; otherwise it is one of the dummy's chunks.
        is_final: bool,
    },
}

impl PassKind {
    /// Whether it goes over a segment that ends, or may end, where the pass ends.
    #[inline]
    pub const fn is_over_whole(self) -> bool {
        matches!(
            self,
            PassKind::Speculative { .. }
                | PassKind::Context
                | PassKind::Final
                | PassKind::WarmUp { is_final: true }
        )
    }

    /// Whether the segment is over when it has been decoded.
    #[inline]
    pub const fn ends_segment(self) -> bool {
        matches!(self, PassKind::Final | PassKind::WarmUp { is_final: true })
    }

    /// Whether partials make way for it: a final of a stream, or what may become one.
    #[inline]
    pub const fn is_urgent(self) -> bool {
        matches!(self, PassKind::Speculative { .. } | PassKind::Context | PassKind::Final)
    }

    /// Whether it makes way for what is urgent.
    #[inline]
    pub const fn gives_way(self) -> bool {
        matches!(self, PassKind::Partial { is_awaited: false })
    }

    /// Whether it is a dummy's.
    #[inline]
    pub const fn is_warm_up(self) -> bool {
        matches!(self, PassKind::WarmUp { .. })
    }
}

/// A pass on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassControl {
    /// What it is for.
    pub kind: PassKind,
    /// It has been given up for something else and has no result; its buffer still has to go home.
    pub is_given_up: bool,
}

impl PassControl {
    /// One that has begun.
    pub const fn new(kind: PassKind) -> Self {
        PassControl { kind, is_given_up: false }
    }
}

/// Ingest → features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioControl {
    /// Samples of the open segment.
    Samples {
        /// A partial is due.
        wants_partial: bool,
    },
    /// Samples before the open segment, for its pass behind the segment before.
    Context,
    /// The open segment ends if nobody goes on speaking; the payload has the extent that it will have.
    Speculate,
    /// See [`Control`].
    Control(Control),
}

/// Features → encoder → decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanControl {
    /// Work for the network; the payload has its buffer, or none if a speculative pass has done it.
    Pass(PassControl),
    /// See [`Control`].
    Control(Control),
}

/// Decoder → emit → client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokensControl {
    /// Tokens of a pass's result.
    Result {
        /// The pass.
        kind: PassKind,
        /// More tokens of the same result follow in the next message.
        is_continued: bool,
    },
    /// See [`Control`].
    Control(Control),
}

macro_rules! carries_controls {
    ($($edge:ident),*) => {$(
        impl From<Control> for $edge {
            fn from(control: Control) -> Self {
                $edge::Control(control)
            }
        }

        impl Default for $edge {
            fn default() -> Self {
                Control::default().into()
            }
        }
    )*};
}

carries_controls!(AudioControl, SpanControl, TokensControl);
