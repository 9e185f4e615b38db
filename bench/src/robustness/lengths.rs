//! Segments of a known length.
//!
//! Clips are cut where the f32 network says that one word ends and the next begins, both words are those of the
//! transcript, and the audio in between is quiet; what is said between two cuts is then known from the transcript. That
//! favors f32 a little: the words beside a cut are words that it recognized. Segments longer than the clips are whole
//! clips joined with a third of a second of faint noise.

use super::noise::{Color, Noise, rms, seed_of};
use super::sets::Item;
use crate::alignment::Alignment;
use crate::bootstrap::SplitMix;
use crate::recordings::SAMPLE_RATE;
use crate::wer;
use voxlane::Word;

/// Segments from one length to another, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    /// The shortest.
    pub from: f64,
    /// All are shorter than this.
    pub to: f64,
    /// Whether they are clips joined instead of clips cut.
    is_joined: bool,
}

/// The lengths that are measured.
pub const LENGTHS: [Length; 6] = [
    Length { from: 0.5, to: 1.0, is_joined: false },
    Length { from: 1.0, to: 2.0, is_joined: false },
    Length { from: 2.0, to: 5.0, is_joined: false },
    Length { from: 5.0, to: 10.0, is_joined: false },
    Length { from: 10.0, to: 20.0, is_joined: false },
    Length { from: 20.0, to: 30.0, is_joined: true },
];

/// The window whose loudness says whether a gap is quiet: 20 ms.
const WINDOW: usize = SAMPLE_RATE as usize / 50;
/// A gap is quiet if a window in it has at most this share of the root mean square of the whole clip: 20 dB below.
const QUIET_SHARE: f64 = 0.1;
/// How far from the gap between two words the quiet window may be, in seconds: word times are that coarse.
const SLACK: f64 = 0.04;
/// What is put between joined clips, and how much of it.
const BETWEEN: Noise = Noise { color: Color::Room, dbfs: -60.0 };
const BETWEEN_SECONDS: f64 = 0.3;

/// A place where a clip may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    sample: usize,
    /// Words of the transcript before it.
    words: usize,
}

impl std::fmt::Display for Length {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {} s", self.from, self.to)
    }
}

impl Length {
    /// The segments of this length that `clips` give, with their transcripts. `recognized` has what the f32 network
    /// recognized in each clip.
    pub fn items(self, clips: &[Item], recognized: &[Vec<Word>], seed: u64) -> Vec<Item> {
        if self.is_joined {
            return self.joined(clips, seed);
        }
        let pieces = clips.iter().zip(recognized).flat_map(|(clip, said)| self.pieces(clip, said, seed));
        pieces.collect()
    }

    fn holds(self, samples: usize) -> bool {
        (self.from..self.to).contains(&(samples as f64 / f64::from(SAMPLE_RATE)))
    }

    /// Pieces of a clip that do not overlap, each from one cut to a random one of those in reach.
    fn pieces(self, clip: &Item, recognized: &[Word], seed: u64) -> Vec<Item> {
        let reference = wer::words(&clip.reference);
        let cuts = cuts(clip, &reference, recognized);
        let mut random = SplitMix(seed_of(&clip.id, seed));
        let mut pieces = Vec::new();
        let mut first = 0;
        while first < cuts.len() {
            let from = cuts[first];
            let ends: Vec<usize> = (first + 1..cuts.len())
                .filter(|&end| self.holds(cuts[end].sample - from.sample) && cuts[end].words > from.words)
                .collect();
            if ends.is_empty() {
                first += 1;
                continue;
            }
            first = ends[random.below(ends.len())];
            let to = cuts[first];
            pieces.push(Item {
                id: format!("{} from {:.2} s", clip.id, from.sample as f64 / f64::from(SAMPLE_RATE)),
                speaker: clip.speaker.clone(),
                reference: reference[from.words..to.words].join(" "),
                samples: clip.samples[from.sample..to.sample].to_vec(),
            });
        }
        pieces
    }

    /// Whole clips, one after the other, joined until the length is reached. What gets too long begins anew.
    fn joined(self, clips: &[Item], seed: u64) -> Vec<Item> {
        let pause = (BETWEEN_SECONDS * f64::from(SAMPLE_RATE)) as usize;
        let mut all = Vec::new();
        let mut open: Option<Item> = None;
        for clip in clips {
            let joined = match open.take() {
                Some(mut item) => {
                    item.samples.extend(BETWEEN.samples(pause, seed_of(&clip.id, seed)));
                    item.samples.extend(&clip.samples);
                    item.id = format!("{} + {}", item.id, clip.id);
                    item.reference = format!("{} {}", item.reference, clip.reference);
                    item
                }
                None => clip.clone(),
            };
            if self.holds(joined.samples.len()) {
                all.push(joined);
            } else if (joined.samples.len() as f64) < self.from * f64::from(SAMPLE_RATE) {
                open = Some(joined);
            } else {
                open = Some(clip.clone());
            }
        }
        all
    }
}

/// The places where a clip may be cut, its ends among them.
fn cuts(clip: &Item, reference: &[String], recognized: &[Word]) -> Vec<Cut> {
    // A recognized word may be two by the rule for words: both are then at its place, and no cut lies between them.
    let heard: Vec<(String, &Word)> = recognized
        .iter()
        .flat_map(|word| wer::words(&word.text).into_iter().map(move |text| (text, word)))
        .collect();
    let texts: Vec<String> = heard.iter().map(|(text, _)| text.clone()).collect();
    let matches = Alignment::of(reference, &texts).matches();
    let mut cuts = vec![Cut { sample: 0, words: 0 }];
    for (words, pair) in matches.windows(2).enumerate() {
        let [Some(before), Some(after)] = *pair else { continue };
        if after != before + 1 {
            continue;
        }
        let (before, after) = (heard[before].1, heard[after].1);
        if let Some(sample) = quiet_place(&clip.samples, before.end - SLACK, after.start + SLACK) {
            cuts.push(Cut { sample, words: words + 1 });
        }
    }
    cuts.push(Cut { sample: clip.samples.len(), words: reference.len() });
    cuts
}

/// The middle of the quietest window between two times in seconds, if it is quiet.
fn quiet_place(samples: &[i16], from: f64, to: f64) -> Option<usize> {
    let at = |seconds: f64| ((seconds.max(0.0) * f64::from(SAMPLE_RATE)) as usize).min(samples.len());
    let level = |samples: &[i16]| rms(&samples.iter().map(|&sample| f64::from(sample)).collect::<Vec<_>>());
    let (from, to) = (at(from), at(to));
    let starts = (from..to.saturating_sub(WINDOW - 1)).step_by(WINDOW / 4);
    let windows = starts.map(|start| (start + WINDOW / 2, level(&samples[start..start + WINDOW])));
    let (place, quietest) = windows.min_by(|a, b| a.1.total_cmp(&b.1))?;
    (quietest <= QUIET_SHARE * level(samples)).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, start: f64, end: f64) -> Word {
        let mut word = Word::default();
        (word.text, word.start, word.end, word.confidence) = (text.into(), start, end, 1.0);
        word
    }

    /// Loud but for 100 ms from each of `pauses` on, in seconds.
    fn clip(seconds: f64, pauses: &[f64], reference: &str) -> Item {
        let value = |index: usize| {
            let time = index as f64 / f64::from(SAMPLE_RATE);
            let is_quiet = pauses.iter().any(|from| (*from..from + 0.1).contains(&time));
            if is_quiet { 0 } else { 2000 - 4000 * (index as i16 % 2) }
        };
        let samples = (0..(seconds * f64::from(SAMPLE_RATE)) as usize).map(value).collect();
        Item { id: "a".into(), speaker: "s".into(), reference: reference.into(), samples }
    }

    #[test]
    fn clips_are_cut_in_quiet_gaps_between_right_words() {
        let clip = clip(4.0, &[0.7, 1.7, 2.7], "one two three four");
        let said =
            [word("One,", 0.0, 0.7), word("two", 0.8, 1.7), word("tree", 1.8, 2.7), word("four.", 2.8, 4.0)];
        let reference = wer::words(&clip.reference);
        let cuts = cuts(&clip, &reference, &said);
        assert_eq!(cuts.iter().map(|cut| cut.words).collect::<Vec<_>>(), [0, 1, 4]);
        assert!((11_200..12_800).contains(&cuts[1].sample), "{cuts:?}");
        let pieces = LENGTHS[0].items(std::slice::from_ref(&clip), &[said.to_vec()], 1);
        assert_eq!(pieces.len(), 1);
        assert_eq!((pieces[0].reference.as_str(), pieces[0].samples.len()), ("one", cuts[1].sample));
    }

    #[test]
    fn words_that_run_into_each_other_are_not_cut() {
        let clip = clip(2.0, &[], "one two");
        let said = [word("one", 0.0, 1.0), word("two", 1.1, 2.0)];
        assert_eq!(cuts(&clip, &wer::words("one two"), &said).len(), 2);
    }

    #[test]
    fn long_segments_are_joined_clips() {
        let clips =
            [clip(15.0, &[], "one"), clip(12.0, &[], "two"), clip(22.0, &[], "three"), clip(9.0, &[], "x")];
        let joined = LENGTHS[5].items(&clips, &[], 1);
        let references: Vec<&str> = joined.iter().map(|item| item.reference.as_str()).collect();
        assert_eq!(references, ["one two", "three"]);
        assert_eq!(joined[0].samples.len(), (27.3 * 16_000.0) as usize);
    }
}
