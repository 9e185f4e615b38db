//! The table of functions for one instruction set, chosen once per process.

use crate::activation;
use crate::argmax;
use crate::attention::quantized::{self, store_sets as quantized_store};
use crate::attention::{self, KeyValue, Visible};
use crate::convert;
use crate::fft::{self, Plan};
use crate::gemm;
use crate::isa::{self, Isa};
use crate::lstm::{self, GateOrder};
use crate::mel::{self, Spectrogram};
use crate::norm::{self, Affine};
use crate::rope::{self, Rotation};
use crate::rows::{Rows, RowsMut};
use crate::softmax;
use crate::topk::{self, Candidate};
use crate::transpose;
use std::sync::OnceLock;

/// Declares the table and its instance for each instruction set: each line gives a field, its type, and the
/// path of its functions, `module: name` standing for `module::scalar::name`, `module::avx2::name` and so on.
macro_rules! table {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $module:ident: $name:ident;)+) => {
        /// One function per operation, all for the same instruction set.
        ///
        /// A table can only be had for an instruction set that the machine has, so its functions are safe
        /// to call.
        pub struct Table {
            /// The instruction set of these functions.
            pub isa: Isa,
            /// See [`gemm`].
            pub gemm: gemm::Functions,
            $($(#[$doc])* pub $field: $type,)+
        }

        static SCALAR: Table =
            Table { isa: Isa::Scalar, gemm: gemm::SCALAR, $($field: $module::scalar::$name,)+ };
        #[cfg(target_arch = "x86_64")]
        static AVX2: Table = Table { isa: Isa::Avx2, gemm: gemm::AVX2, $($field: $module::avx2::$name,)+ };
        #[cfg(target_arch = "x86_64")]
        static AVX512: Table =
            Table { isa: Isa::Avx512, gemm: gemm::AVX512, $($field: $module::avx512::$name,)+ };
        #[cfg(target_arch = "aarch64")]
        static NEON: Table = Table { isa: Isa::Neon, gemm: gemm::NEON, $($field: $module::neon::$name,)+ };
    };
}

table! {
    /// See [`argmax::argmax`].
    argmax: fn(&[f32]) -> Option<usize> = argmax: argmax;
    /// See [`argmax::panel_peaks`].
    panel_peaks: fn(&[f32], &mut [f32]) = argmax: panel_peaks;
    /// See [`activation::gelu`].
    gelu: fn(&mut [f32]) = activation: gelu;
    /// See [`activation::silu`].
    silu: fn(&mut [f32]) = activation: silu;
    /// See [`activation::tanh`].
    tanh: fn(&mut [f32]) = activation: tanh;
    /// See [`activation::sigmoid`].
    sigmoid: fn(&mut [f32]) = activation: sigmoid;
    /// See [`activation::relu`].
    relu: fn(&mut [f32]) = activation: relu;
    /// See [`activation::silu_gate`].
    silu_gate: fn(&[f32], &[f32], &mut [f32]) = activation: silu_gate;
    /// See [`activation::gelu_affine`].
    gelu_affine: fn(Rows<'_>, &[f32], &[f32], RowsMut<'_>) = activation: gelu_affine;
    /// See [`attention::attention`].
    attention: fn(Rows<'_>, &KeyValue<'_>, Visible, f32, RowsMut<'_>) = attention: attention;
    /// See [`attention::attention_f16`].
    attention_f16: fn(Rows<'_>, &KeyValue<'_, u16>, Visible, f32, RowsMut<'_>) = attention: attention_f16;
    /// See [`quantized::attention_i8`].
    attention_i8: fn(Rows<'_>, &quantized::Cache<'_>, f32, RowsMut<'_>) = quantized: attention;
    /// See [`quantized::store_block`].
    store_i8_block: fn(Rows<'_>, Rows<'_>, usize, quantized::CacheMut<'_>) = quantized_store: store;
    /// See [`attention::weights`].
    attention_weights: fn(&[f32], &KeyValue<'_>, usize, f32, &mut [f32]) = attention: weights;
    /// See [`attention::weights_f16`].
    attention_weights_f16: fn(&[f32], &KeyValue<'_, u16>, usize, f32, &mut [f32]) = attention: weights_f16;
    /// See [`convert::i16_to_f32`].
    i16_to_f32: fn(&[i16], &mut [f32]) = convert: i16_to_f32;
    /// See [`convert::f32_to_i16`].
    f32_to_i16: fn(&[f32], &mut [i16]) = convert: f32_to_i16;
    /// See [`convert::bf16_to_f32`].
    bf16_to_f32: fn(&[u16], &mut [f32]) = convert: bf16_to_f32;
    /// See [`convert::f32_to_bf16`].
    f32_to_bf16: fn(&[f32], &mut [u16]) = convert: f32_to_bf16;
    /// See [`convert::f16_to_f32`].
    f16_to_f32: fn(&[u16], &mut [f32]) = convert: f16_to_f32;
    /// See [`convert::f32_to_f16`].
    f32_to_f16: fn(&[f32], &mut [u16]) = convert: f32_to_f16;
    /// See [`norm::layer_norm`].
    layer_norm: fn(Rows<'_>, Affine<'_>, f32, RowsMut<'_>) = norm: layer_norm;
    /// See [`norm::moments`].
    moments: fn(&[f32]) -> (f64, f64) = norm: moments;
    /// See [`rope::apply_interleaved`].
    rope_interleaved: fn(RowsMut<'_>, usize, usize, usize, Rotation<'_>) = rope: interleaved;
    /// See [`fft::power`].
    power_spectrum: fn(Rows<'_>, Plan<'_>, &mut [f32], RowsMut<'_>) = fft: power;
    /// See [`mel::log_mel`].
    log_mel: fn(Rows<'_>, &Spectrogram<'_>, &mut [f32], RowsMut<'_>) = mel: log_mel;
    /// See [`lstm::step`].
    lstm_step: fn(Rows<'_>, GateOrder, usize, RowsMut<'_>, RowsMut<'_>) = lstm: step;
    /// See [`topk::topk`].
    topk: fn(&[f32], &mut [Candidate]) -> usize = topk: topk;
    /// See [`transpose::transpose`].
    transpose: fn(Rows<'_>, usize, RowsMut<'_>) = transpose: transpose;
    /// See [`softmax::softmax`].
    softmax: fn(&mut [f32]) = softmax: softmax;
    /// See [`softmax::log_sum_exp`].
    log_sum_exp: fn(&[f32]) -> f32 = softmax: log_sum_exp;
}

impl Table {
    /// The table for `isa`, or nothing if this machine cannot run it.
    pub fn new(isa: Isa) -> Option<&'static Table> {
        isa.is_available().then_some(match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &AVX2,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => &AVX512,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => &NEON,
            _ => &SCALAR,
        })
    }

    /// The table of the process-wide instruction set ([`isa::active`]).
    #[inline]
    pub fn active() -> &'static Table {
        static ACTIVE: OnceLock<&'static Table> = OnceLock::new();
        ACTIVE.get_or_init(|| Table::new(isa::active()).unwrap_or(&SCALAR))
    }
}
