//! The answer to a recording.

use super::wanted::Wanted;
use crate::protocols::deepgram::model::Ran;
use crate::protocols::deepgram::said::{Heard, Said};
use serde_json::{Value, json};
use voxlane::Transcript;

/// The answer as it grows, channel by channel.
pub(super) struct Answer {
    wanted: Wanted,
    channels: Vec<Vec<Said>>,
    seconds: f64,
}

impl Answer {
    pub(super) fn new(wanted: Wanted) -> Self {
        Answer { wanted, channels: Vec::new(), seconds: 0.0 }
    }

    /// Adds the next channel's finals, and the length of its audio.
    pub(super) fn add(&mut self, finals: &[Transcript], seconds: f64) {
        let said = finals.iter().map(Said::from).filter(|said| !said.text.is_empty());
        self.channels.push(said.collect());
        self.seconds = self.seconds.max(seconds);
    }

    /// The whole.
    pub(super) fn body(
        &self,
        request_id: &str,
        ran: &Ran,
        created: &str,
        sha256: &str,
        warnings: &[String],
    ) -> Value {
        let mut metadata = json!({
            "transaction_key": "deprecated",
            "request_id": request_id,
            "sha256": sha256,
            "created": created,
            "duration": self.seconds,
            "channels": self.channels.len(),
            "models": [ran.uuid],
            "model_info": { ran.uuid.as_str(): ran.info() },
        });
        let lists = [("tags", &self.wanted.tags[..]), ("extra", &self.wanted.extra), ("warnings", warnings)];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            metadata[name] = json!(list);
        }
        let channels: Vec<_> = self.channels.iter().map(|said| self.channel(said)).collect();
        let mut results = json!({ "channels": channels });
        if self.wanted.utterances {
            results["utterances"] = json!(self.utterances(request_id));
        }
        json!({ "metadata": metadata, "results": results })
    }

    fn channel(&self, said: &[Said]) -> Value {
        let whole = joined(said);
        let mut alternative = whole.alternative();
        if self.wanted.paragraphs {
            alternative["paragraphs"] = paragraphs(said);
        }
        json!({ "alternatives": [alternative] })
    }

    /// Segments of all channels, in the order of time.
    fn utterances(&self, request_id: &str) -> Vec<Value> {
        let mut all: Vec<_> = self
            .channels
            .iter()
            .enumerate()
            .flat_map(|(channel, said)| said.iter().map(move |said| (channel, said)))
            .collect();
        all.sort_by(|(_, a), (_, b)| a.start.total_cmp(&b.start));
        let value = |(number, (channel, said)): (usize, (usize, &Said))| {
            let mut utterance = said.alternative();
            utterance["start"] = json!(said.start);
            utterance["end"] = json!(said.end);
            utterance["channel"] = json!(channel);
            utterance["id"] = json!(format!("{request_id}-{number}"));
            utterance
        };
        all.into_iter().enumerate().map(value).collect()
    }
}

/// All segments as one.
fn joined(all: &[Said]) -> Said {
    let texts: Vec<_> = all.iter().map(|said| said.text.as_str()).collect();
    let words: Vec<_> = all.iter().flat_map(|said| said.words.clone()).collect();
    let confidence = words.iter().map(|word| word.confidence).sum::<f32>() / words.len().max(1) as f32;
    let (start, end) = (all.first().map_or(0.0, |said| said.start), all.last().map_or(0.0, |said| said.end));
    Said { text: texts.join(" "), words, confidence, start, end }
}

/// A paragraph a segment, and its sentences.
fn paragraphs(all: &[Said]) -> Value {
    let texts: Vec<_> = all.iter().map(|said| said.text.as_str()).collect();
    let paragraph = |said: &Said| {
        json!({
            "sentences": sentences(&said.words),
            "num_words": said.words.len(),
            "start": said.words.first().map_or(said.start, |word| word.start),
            "end": said.words.last().map_or(said.end, |word| word.end),
        })
    };
    json!({ "transcript": texts.join("\n\n"), "paragraphs": all.iter().map(paragraph).collect::<Vec<_>>() })
}

fn sentences(words: &[Heard]) -> Vec<Value> {
    let ends = |word: &Heard| word.written.trim_end_matches(['"', '”', '\'', ')']).ends_with(['.', '?', '!']);
    let sentence = |words: &[Heard]| {
        let text: Vec<_> = words.iter().map(|word| word.written.as_str()).collect();
        let (first, last) = (words.first()?, words.last()?);
        Some(json!({ "text": text.join(" "), "start": first.start, "end": last.end }))
    };
    words.split_inclusive(ends).filter_map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, start: f64) -> Transcript {
        let mut said = Transcript::default();
        (said.text, said.start, said.end) = (text.into(), start, start + 1.0);
        said
    }

    #[test]
    fn segments_are_paragraphs_and_utterances() {
        let wanted = Wanted {
            options: Default::default(),
            is_multichannel: true,
            utterances: true,
            paragraphs: true,
            tags: vec!["a".into()],
            extra: Vec::new(),
        };
        let mut answer = Answer::new(wanted);
        answer.add(&[said(" One. Two?", 0.0), said("", 1.0), said("Three", 3.0)], 4.0);
        answer.add(&[said("Other.", 0.5)], 4.0);
        let ran = Ran { name: "m".into(), uuid: "u".into() };
        let body = answer.body("r", &ran, "now", "00", &[]);
        assert_eq!((&body["metadata"]["duration"], &body["metadata"]["tags"]), (&json!(4.0), &json!(["a"])));
        assert_eq!(body["metadata"]["model_info"]["u"]["name"], "m");
        let alternative = &body["results"]["channels"][0]["alternatives"][0];
        assert_eq!(alternative["transcript"], "One. Two? Three");
        assert_eq!(alternative["words"].as_array().unwrap().len(), 3);
        let paragraphs = &alternative["paragraphs"];
        assert_eq!(paragraphs["transcript"], "One. Two?\n\nThree");
        assert_eq!(paragraphs["paragraphs"][0]["sentences"][1]["text"], "Two?");
        let utterances = body["results"]["utterances"].as_array().unwrap();
        let order: Vec<_> = utterances.iter().map(|said| (&said["transcript"], &said["channel"])).collect();
        let expected = [("One. Two?", 0), ("Other.", 1), ("Three", 0)]
            .map(|(text, channel)| (json!(text), json!(channel)));
        assert_eq!(order, expected.iter().map(|(text, channel)| (text, channel)).collect::<Vec<_>>());
    }
}
