//! What finals took that the engine does not account for.

use crate::live::feed::Said;
use std::collections::BTreeMap;

/// What finals took that the engine does not account for: from their end in the audio to their arrival, less the whole time that
/// they say of themselves, in milliseconds.
///
/// One alone says little, because a final's end may lie behind the last sample of speech, from which its time counts. The same
/// final of the same audio by two ways says what one way takes more than the other.
#[derive(Clone, Debug, Default)]
pub struct Beyond(BTreeMap<Key, f64>);

/// A final: the number of its stream, that of its segment, and its end in milliseconds.
type Key = (usize, u32, i64);

impl Beyond {
    /// Adds the finals of a stream.
    pub fn add(&mut self, stream: usize, said: &[Said]) {
        for said in said.iter().filter(|said| said.is_final) {
            let key = (stream, said.segment, (said.end * 1e3).round() as i64);
            if let Some(total) = said.total_ms {
                self.0.insert(key, (said.at - said.end) * 1e3 - total);
            }
        }
    }

    /// What the same finals took more here than there. Finals that one of them has not are left out.
    pub fn more_than(&self, other: &Beyond) -> Vec<f64> {
        self.0.iter().filter_map(|(key, here)| Some(here - other.0.get(key)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(segment: u32, end: f64, at: f64, total: f64) -> Said {
        Said {
            at,
            segment,
            is_final: true,
            start: 0.0,
            end,
            text: String::new(),
            stable: String::new(),
            revised: false,
            after_endpoint_ms: None,
            total_ms: Some(total),
            is_last: false,
            tokens: Vec::new(),
        }
    }

    #[test]
    fn only_the_same_finals_are_compared() {
        let (mut server, mut engine) = (Beyond::default(), Beyond::default());
        // 200 ms behind the speech: 500 ms after that, of which the engine knows 498.
        server.add(0, &[said(0, 1.2, 1.5, 498.0), said(1, 3.0, 4.0, 1.0)]);
        engine.add(0, &[said(0, 1.2, 1.5, 499.5), said(1, 3.1, 4.0, 1.0)]);
        engine.add(1, &[said(0, 1.2, 9.0, 1.0)]);
        let more = server.more_than(&engine);
        assert!(more.len() == 1 && (more[0] - 1.5).abs() < 1e-6, "{more:?}");
    }
}
