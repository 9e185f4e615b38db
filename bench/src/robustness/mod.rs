//! What is lost and what is invented on recordings as people have them: speech with silence or noise around it, very
//! quiet speech, single words, an hour with pauses, short and long segments, and audio in which nobody speaks.
//!
//! All sets are made from the transcribed clips in code. The same seed gives the same samples, whichever of the clips
//! are used.

pub mod changes;
pub mod heard;
pub mod joined;
pub mod lengths;
pub mod material;
pub mod music;
pub mod noise;
pub mod nonspeech;
pub mod record;
pub mod runner;
pub mod segment;
pub mod sets;
pub mod spoken_word;
pub mod table;
pub mod treatment;
