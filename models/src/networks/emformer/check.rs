//! Which sizes of an Emformer make sense, and which the engine has room for.

use super::config::{Config, Function, MAX_SEGMENT_S};
pub use crate::config_fault::ConfigFault;
use voxlane_kernels::attention;

/// Far from overflowing any length that is computed of sizes.
const MAX_SIZE: usize = 1 << 16;
/// The most memory that one stream may take: emformer_rnnt_base takes 11 MiB.
const MAX_STREAM_BYTES: u128 = 256 << 20;

fn fault(field: &'static str, value: impl ToString, rule: impl Into<String>) -> ConfigFault {
    ConfigFault { field, value: value.to_string(), rule: rule.into() }
}

fn within(field: &'static str, value: usize, least: usize, most: usize) -> Result<(), ConfigFault> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(fault(field, value, format!("from {least} to {most}")))
}

/// No more than `most`, which is how many `what` the longest audio has that the engine passes on at once.
fn at_most(field: &'static str, value: usize, most: usize, what: &str) -> Result<(), ConfigFault> {
    if value <= most {
        return Ok(());
    }
    Err(fault(field, value, format!("at most {most}, the {what} of {MAX_SEGMENT_S} s of audio")))
}

impl Config {
    /// Checks that the sizes fit each other, that a segment with its context is no longer than the longest recording,
    /// and that a stream needs no more than 256 MiB.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigFault> {
        self.check_sizes()?;
        self.check_lengths()?;
        self.check_symbols()?;
        self.check_functions()?;
        let bytes = self.stream_bytes();
        if bytes > MAX_STREAM_BYTES {
            let rule = format!(
                "at most {MAX_STREAM_BYTES}; it follows from the numbers of layers and heads, widths, lengths and contexts"
            );
            return Err(fault("bytes of a stream", bytes, rule));
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), ConfigFault> {
        for (field, value) in [
            ("input_dim", self.input_dim),
            ("encoding_dim", self.encoding_dim),
            ("time_reduction_input_dim", self.time_reduction_input_dim),
            ("time_reduction_stride", self.time_reduction_stride),
            ("transformer_num_heads", self.transformer_num_heads),
            ("transformer_ffn_dim", self.transformer_ffn_dim),
            ("transformer_num_layers", self.transformer_num_layers),
            ("symbol_embedding_dim", self.symbol_embedding_dim),
            ("lstm_hidden_dim", self.lstm_hidden()),
        ] {
            within(field, value, 1, MAX_SIZE)?;
        }
        within("num_lstm_layers", self.num_lstm_layers, 0, MAX_SIZE)?;
        let (width, heads) = (self.width(), self.transformer_num_heads);
        within("time_reduction_input_dim × time_reduction_stride", width, 1, MAX_SIZE)?;
        if !width.is_multiple_of(heads) {
            let rule = format!("a divisor of time_reduction_input_dim × time_reduction_stride ({width})");
            return Err(fault("transformer_num_heads", heads, rule));
        }
        let epsilon = self.lstm_layer_norm_epsilon;
        if !epsilon.is_finite() || epsilon < 0.0 {
            return Err(fault("lstm_layer_norm_epsilon", epsilon, "finite and not negative"));
        }
        Ok(())
    }

    fn check_lengths(&self) -> Result<(), ConfigFault> {
        let (stride, most) = (self.time_reduction_stride, self.max_feature_frames());
        at_most("time_reduction_stride", stride, most, "feature frames")?;
        for (field, value) in
            [("segment_length", self.segment_length), ("right_context_length", self.right_context_length)]
        {
            at_most(field, value, most, "feature frames")?;
            if !value.is_multiple_of(stride) {
                let rule = format!("a multiple of time_reduction_stride ({stride})");
                return Err(fault(field, value, rule));
            }
        }
        within("segment_length", self.segment_length, stride, most)?;
        // Else no chunk would ever be complete.
        let rest = most - self.segment_length;
        if self.right_context_length > rest {
            let rule = format!(
                "at most {rest}, what segment_length ({}) leaves of the feature frames of {MAX_SEGMENT_S} s of audio",
                self.segment_length
            );
            return Err(fault("right_context_length", self.right_context_length, rule));
        }
        at_most(
            "transformer_left_context_length (left_context_length)",
            self.transformer_left_context_length,
            self.max_frames(),
            "encoder frames",
        )?;
        at_most(
            "transformer_max_memory_size (max_memory_size)",
            self.transformer_max_memory_size,
            most / self.segment_length,
            "segments",
        )
    }

    fn check_symbols(&self) -> Result<(), ConfigFault> {
        within("num_symbols", self.num_symbols, 2, MAX_SIZE)?;
        within("blank", self.blank.unwrap_or(0), 0, self.num_symbols - 1)?;
        within("stateless_context", self.stateless_context, 1, MAX_SIZE)?;
        at_most("stateless_context", self.stateless_context, self.max_frames().max(1), "encoder frames")
    }

    fn check_functions(&self) -> Result<(), ConfigFault> {
        if self.transformer_activation == Function::Tanh {
            return Err(fault("transformer_activation", "tanh", "relu, gelu or silu"));
        }
        match self.joiner_activation {
            Function::Relu | Function::Tanh => Ok(()),
            Function::Gelu => Err(fault("joiner_activation", "gelu", "relu or tanh")),
            Function::Silu => Err(fault("joiner_activation", "silu", "relu or tanh")),
        }
    }

    /// About what one stream takes: the caches of the layers, features and frames of the longest segment, scratch for
    /// the rows of a segment. Sizes and lengths must have been checked: then nothing overflows.
    pub(crate) fn stream_bytes(&self) -> u128 {
        let wide = |number: usize| number as u128;
        let (width, memories) = (self.width(), self.transformer_max_memory_size);
        let rows = self.segment_frames() + self.right_frames();
        let seen = self.transformer_left_context_length + rows + memories;
        let columns = wide(attention::capacity_for(seen)) + wide(memories);
        let caches = wide(self.transformer_num_layers) * 2 * wide(width) * columns;
        // In the slot, and in a span on its way.
        let features = 2 * wide(self.max_feature_frames()) * wide(self.input_dim);
        let frames = 2 * wide(self.max_frames()) * wide(self.encoding_dim);
        let stacked = wide(self.time_reduction_stride) * wide(self.input_dim);
        let scratch = wide(rows)
            * (stacked + wide(self.encoding_dim) + 8 * wide(width) + wide(self.transformer_ffn_dim));
        let lstm = wide(self.num_lstm_layers.max(1)) * 12 * wide(self.lstm_hidden());
        let predictor = lstm + wide(self.stateless_context) * wide(self.symbol_embedding_dim);
        (caches + features + frames + scratch + predictor) * size_of::<f32>() as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn the_default_is_sound_and_takes_little() {
        Config::default().check().unwrap();
        assert_eq!(Config::default().stream_bytes() >> 20, 11);
    }

    #[test]
    fn lengths_beyond_the_longest_segment_are_refused_with_field_and_value() {
        assert_eq!(
            message(|config| config.right_context_length = 65_536),
            "right_context_length = 65536: must be at most 3001, the feature frames of 30 s of audio"
        );
        assert_eq!(
            message(|config| config.right_context_length = 3000),
            "right_context_length = 3000: must be at most 2985, what segment_length (16) leaves of the feature frames of \
             30 s of audio"
        );
        assert_eq!(
            message(|config| config.transformer_max_memory_size = 65_536),
            "transformer_max_memory_size (max_memory_size) = 65536: must be at most 187, the segments of 30 s of \
             audio"
        );
        assert_eq!(
            message(|config| config.transformer_left_context_length = 751),
            "transformer_left_context_length (left_context_length) = 751: must be at most 750, the encoder frames of \
             30 s of audio"
        );
        assert_eq!(message(|config| config.segment_length = 0), "segment_length = 0: must be from 4 to 3001");
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused_with_field_and_value() {
        for (change, expected) in [
            ((|config| config.input_dim = 0) as fn(&mut Config), "input_dim = 0: must be from 1 to 65536"),
            (
                |config| config.transformer_num_layers = 65_537,
                "transformer_num_layers = 65537: must be from 1 to",
            ),
            (
                |config| config.segment_length = 18,
                "segment_length = 18: must be a multiple of time_reduction_stride",
            ),
            (|config| config.transformer_num_heads = 7, "transformer_num_heads = 7: must be a divisor of"),
            (|config| config.blank = Some(4097), "blank = 4097: must be from 0 to 4096"),
            (|config| config.num_symbols = 1, "num_symbols = 1: must be from 2 to 65536"),
            (
                |config| config.joiner_activation = Function::Gelu,
                "joiner_activation = gelu: must be relu or tanh",
            ),
            (
                |config| config.lstm_layer_norm_epsilon = f32::NAN,
                "lstm_layer_norm_epsilon = NaN: must be finite",
            ),
            (|config| config.transformer_num_layers = 10_000, "bytes of a stream = "),
            (
                |config| config.transformer_ffn_dim = usize::MAX,
                "transformer_ffn_dim = 18446744073709551615: must",
            ),
        ] {
            let message = message(change);
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
