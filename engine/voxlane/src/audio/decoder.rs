//! From packets of coded audio to samples, by the decoder of their codec.

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::codecs::audio::well_known::*;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};
use symphonia::default::get_codecs;

use super::block::Block;
use super::error::Problem;
use super::opus::{self, Opus};
use super::pcm;
use super::source::Shape;

/// A decoder with the samples that it decoded last.
pub(super) struct CodecDecoder {
    codec: Codec,
    name: String,
    /// Whether samples of 16 bits hold the audio without loss.
    is_exact: bool,
    exact: Vec<i16>,
    float: Vec<f32>,
}

enum Codec {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<Opus>),
}

impl CodecDecoder {
    /// A decoder for the stream with these parameters.
    ///
    /// # Errors
    /// [`Problem::Unsupported`] with the codec's name, or what is wrong with its headers.
    pub fn new(parameters: &AudioCodecParameters) -> Result<Self, Problem> {
        let name = name(parameters.codec);
        let codec = if parameters.codec == CODEC_ID_OPUS {
            Codec::Opus(Box::new(Opus::new(parameters.extra_data.as_deref().unwrap_or_default())?))
        } else {
            let options = AudioDecoderOptions::default().verify(true);
            match get_codecs().make_audio_decoder(parameters, &options) {
                Ok(decoder) => Codec::Symphonia(decoder),
                Err(Error::Unsupported(_)) => return Err(Problem::Unsupported(name)),
                Err(error) => return Err(Problem::Malformed(format!("{name}: {error}"))),
            }
        };
        let bits = match &codec {
            Codec::Symphonia(decoder) => decoder.codec_params().bits_per_sample,
            Codec::Opus(_) => None,
        };
        let is_lossless = [CODEC_ID_FLAC, CODEC_ID_ALAC].contains(&parameters.codec);
        let is_exact = is_lossless && bits.is_some_and(|bits| bits <= 16);
        Ok(CodecDecoder { codec, name, is_exact, exact: Vec::new(), float: Vec::new() })
    }

    /// Sample frames at the start that are no part of the recording, as the codec's own header says.
    pub fn delay(&self) -> u64 {
        match &self.codec {
            Codec::Symphonia(_) => 0,
            Codec::Opus(opus) => opus.pre_skip(),
        }
    }

    /// Decodes a packet; the samples are there until the next call.
    ///
    /// # Errors
    /// The codec and what is wrong with the packet.
    pub fn decode(&mut self, packet: &[u8]) -> Result<Shape, String> {
        self.float.clear();
        // Decoders of damaged packets overflow here and there, which a debug build notices.
        let decoded = catch_unwind(AssertUnwindSafe(|| self.decode_packet(packet)));
        let decoded = decoded.unwrap_or_else(|_| Err("the decoder gave up".into()));
        let shape = decoded.map_err(|what| format!("{}: {what}", self.name))?;
        // What a damaged packet decodes to may be no audio.
        pcm::check(&self.float).map_err(|error| format!("{}: {error}", self.name))?;
        Ok(shape)
    }

    fn decode_packet(&mut self, packet: &[u8]) -> Result<Shape, String> {
        match &mut self.codec {
            Codec::Opus(opus) => {
                opus.decode(packet, &mut self.float)?;
                Ok(Shape { sample_rate: opus::RATE_HZ, channels: opus.channels() })
            }
            Codec::Symphonia(decoder) => {
                let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, packet);
                let buffer = decoder.decode_ref(&packet).map_err(|error| error.to_string())?;
                if self.is_exact {
                    buffer.copy_to_vec_interleaved(&mut self.exact);
                } else {
                    buffer.copy_to_vec_interleaved(&mut self.float);
                }
                Ok(Shape { sample_rate: buffer.spec().rate(), channels: buffer.num_planes() })
            }
        }
    }

    /// Makes the last samples silence, as many as are asked for.
    pub fn give_silence(&mut self, samples: usize) {
        self.exact.clear();
        self.float.clear();
        self.exact.resize(samples, 0);
        self.float.resize(samples, 0.0);
    }

    /// The samples of the packet that was decoded last, interleaved.
    pub fn samples(&self) -> Block<'_> {
        if self.is_exact { Block::I16(&self.exact) } else { Block::F32(&self.float) }
    }

    /// Whether the checksum of all that was decoded holds; `None` if there is none.
    pub fn verify(&mut self) -> Option<bool> {
        match &mut self.codec {
            Codec::Symphonia(decoder) => decoder.finalize().verify_ok,
            Codec::Opus(_) => None,
        }
    }
}

/// What to call a codec in a message.
fn name(codec: AudioCodecId) -> String {
    let name = match codec {
        CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3 => "MPEG audio",
        CODEC_ID_AAC => "AAC",
        CODEC_ID_ALAC => "ALAC",
        CODEC_ID_FLAC => "FLAC",
        CODEC_ID_VORBIS => "Vorbis",
        CODEC_ID_OPUS => "Opus",
        CODEC_ID_SPEEX => "Speex",
        CODEC_ID_AC3 => "Dolby Digital (AC-3)",
        CODEC_ID_EAC3 => "Dolby Digital Plus (E-AC-3)",
        CODEC_ID_AC4 => "Dolby AC-4",
        CODEC_ID_TRUEHD => "Dolby TrueHD",
        CODEC_ID_DCA => "DTS",
        CODEC_ID_WMA => "WMA",
        CODEC_ID_WAVPACK => "WavPack",
        CODEC_ID_TTA => "True Audio (TTA)",
        CODEC_ID_MUSEPACK => "Musepack",
        CODEC_ID_ADPCM_MS | CODEC_ID_ADPCM_IMA_WAV | CODEC_ID_ADPCM_IMA_QT => "ADPCM",
        _ => return format!("an audio codec of an unknown kind ({codec})"),
    };
    name.into()
}
