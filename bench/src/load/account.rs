//! What became of all streams of a run.

use super::beyond::Beyond;
use super::stream::{End, StreamRun};
use crate::live::conversation::Utterance;
use crate::live::figures::Figures;
use std::collections::BTreeMap;

/// What became of all streams of a run. Times are in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Streams that wanted to be served.
    pub streams: usize,
    /// Those that were, to their end.
    pub served: usize,
    /// Streams that were refused before the server took audio, by reason.
    pub refused: BTreeMap<String, usize>,
    /// Streams that the server ended with an error after it took audio, by reason.
    pub ended: BTreeMap<String, usize>,
    /// Streams that ended without an error or a close frame, by what became of them.
    pub broken: BTreeMap<String, usize>,
    /// The times after which those that were refused may try again, where the server said one.
    pub retry_after_ms: Vec<f64>,
    /// Segments that were opened and never got their final.
    pub lost_finals: usize,
    /// From the beginning of a connection to `ready`.
    pub connect: Vec<f64>,
    /// From the end of speech to the final of its last segment.
    pub after_speech: Vec<f64>,
    /// From the endpoint's decision to the final, by the server's account.
    pub after_decision: Vec<f64>,
    /// What finals took beyond the engine's account.
    pub beyond: Beyond,
    /// Finals.
    pub finals: usize,
    /// Bytes of messages that were sent.
    pub sent_bytes: u64,
    /// Bytes of messages that were received.
    pub received_bytes: u64,
}

impl Account {
    /// Adds a stream, which played what `utterances` says.
    pub fn add(&mut self, run: &StreamRun, utterances: &[Utterance]) {
        self.beyond.add(self.streams, &run.said);
        self.streams += 1;
        self.connect.extend(run.connect_ms);
        self.sent_bytes += run.sent_bytes;
        self.received_bytes += run.received_bytes;
        self.finals += run.finals();
        self.lost_finals += run.opened.saturating_sub(run.finals());
        let count =
            |of: &mut BTreeMap<String, usize>, what: &str| *of.entry(what.to_owned()).or_default() += 1;
        match &run.end {
            End::Closed => self.served += 1,
            End::Refused(refusal) => {
                let by_reason = if run.is_heard { &mut self.ended } else { &mut self.refused };
                count(by_reason, &refusal.reason);
                self.retry_after_ms.extend(refusal.retry_after.map(|seconds| seconds * 1e3));
            }
            End::Broken(what) => count(&mut self.broken, what),
        }
        let figures = Figures::of(&run.said, utterances);
        self.after_speech.extend(figures.after_speech);
        self.after_decision.extend(figures.after_endpoint);
    }

    /// Whether each stream was served to its end or got an error, and every segment that opened got its final.
    pub fn is_whole(&self) -> bool {
        self.broken.is_empty() && self.lost_finals == 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::Refusal;
    use super::*;
    use serde_json::json;

    fn run(end: End) -> StreamRun {
        StreamRun {
            connect_ms: Some(2.0),
            end,
            said: Vec::new(),
            opened: 0,
            is_heard: false,
            sent_bytes: 640,
            received_bytes: 100,
        }
    }

    #[test]
    fn everybody_is_accounted_for() {
        let utterance = Utterance {
            id: "a".into(),
            start: 0.0,
            end: 1.1,
            speech_start: 0.1,
            speech_end: 1.0,
            transcript: "one".into(),
        };
        let mut served = run(End::Closed);
        served.take(&json!({"type": "speech_start", "segment": 0, "start": 0.1}), 0.2);
        let latency = json!({"total": 450.0, "endpoint_wait": 440.0, "queue": 4.0, "compute": 6.0});
        let said = json!({"type": "final", "segment": 0, "start": 0.1, "end": 1.05, "text": "one", "latency_ms": latency});
        served.take(&said, 1.502);
        let refused = Refusal { reason: "refused.full".into(), retry_after: Some(1.0) };
        let mut late = run(End::Refused(Refusal { reason: "limit.seconds_a_day".into(), retry_after: None }));
        late.take(&json!({"type": "speech_start", "segment": 0}), 0.2);
        let mut account = Account::default();
        account.add(&served, std::slice::from_ref(&utterance));
        assert!(account.is_whole());
        account.add(&run(End::Refused(refused)), &[]);
        assert!(account.is_whole());
        account.add(&late, &[]);
        account.add(&run(End::Broken("close 1011".into())), &[]);
        assert_eq!((account.streams, account.served, account.finals, account.lost_finals), (4, 1, 1, 1));
        assert_eq!(account.refused["refused.full"] + account.ended["limit.seconds_a_day"], 2);
        assert_eq!((account.broken["close 1011"], account.retry_after_ms.clone()), (1, vec![1000.0]));
        assert!(!account.is_whole());
        let near = |value: f64, wanted: f64| (value - wanted).abs() < 1e-6;
        assert!(near(account.after_speech[0], 502.0) && near(account.after_decision[0], 10.0));
        assert_eq!((account.sent_bytes, account.received_bytes), (2_560, 400));
    }
}
