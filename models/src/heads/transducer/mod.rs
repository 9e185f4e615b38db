//! What turns encoder frames into symbols: predictor, joiner and, where trained, the CTC head.

pub mod decoder;
mod weights;

pub(crate) use self::weights::HeadWeights;

use self::weights::Lstm;
use crate::arena::Arena;
use crate::buffer::Buffer;
use crate::decode::{CtcHead, Joiner, Predictor};
use crate::layers::linear::{Linear, Then};
use crate::networks::emformer::config::{Config, Function};
use std::sync::Arc;
use voxlane_kernels::activation;
use voxlane_kernels::lstm;
use voxlane_kernels::projection::Best;
use voxlane_kernels::rows::{Rows, RowsMut};

/// The most predictions of one call of the joiner.
const MAX_ROWS: usize = 16;

/// The heads with scratch memory for one thread.
pub struct Heads {
    weights: Arc<HeadWeights>,
    config: Config,
    joined: Buffer,
    arena: Arena,
}

impl Heads {
    pub(crate) fn new(weights: Arc<HeadWeights>, config: Config) -> Self {
        let (size, hidden, encoding) =
            (config.symbol_embedding_dim, config.lstm_hidden(), config.encoding_dim);
        let step = [
            vec![size.max(hidden), size + hidden, hidden + size, 4 * hidden, 4 * hidden, hidden, encoding],
            vec![config.stateless_context * size],
            Linear::scratch_lengths(size + hidden, 1).to_vec(),
        ];
        // Of the largest of what one call does: all layers of the predictor, or the joiner on all rows.
        let layers = config.num_lstm_layers.max(1);
        let mut lengths: Vec<usize> = (0..layers).flat_map(|_| step.concat()).collect();
        lengths.extend(Linear::scratch_lengths(hidden.max(config.stateless_context * size), 1));
        lengths.extend(Linear::scratch_lengths(encoding, MAX_ROWS));
        Heads {
            joined: Buffer::zeros(MAX_ROWS * encoding),
            arena: Arena::for_lengths(&lengths),
            weights,
            config,
        }
    }

    /// `f(frame + prediction)` for each prediction.
    fn join(&mut self, frame: &[f32], predictions: Rows<'_>) {
        let width = self.config.encoding_dim;
        let joined = &mut self.joined[..predictions.count * width];
        for (index, row) in joined.chunks_exact_mut(width).enumerate() {
            let sums = row.iter_mut().zip(frame).zip(predictions.row(index, width));
            sums.for_each(|((sum, frame), prediction)| *sum = frame + prediction);
        }
        match self.config.joiner_activation {
            Function::Tanh => activation::tanh(joined),
            _ => activation::relu(joined),
        }
    }

    /// The normed embedding of a symbol.
    fn embed(&self, symbol: u32, out: &mut [f32]) {
        let predictor = &self.weights.predictor;
        let row = self.arena.scratch(out.len());
        predictor.embedding.weights(symbol as usize, row);
        predictor.input_norm.apply(Rows::one(row), RowsMut::one(out));
    }

    /// One step of an LSTM layer: `state` holds the hidden values, then the cells.
    fn lstm(&self, layer: &Lstm, input: &[f32], state: &mut [f32]) {
        let size = self.config.lstm_hidden();
        let (hidden, cell) = state.split_at_mut(size);
        let joined = self.arena.scratch(input.len() + size);
        joined[..input.len()].copy_from_slice(input);
        joined[input.len()..].copy_from_slice(hidden);
        let gates = self.arena.scratch(4 * size);
        layer.gates.apply(Rows::one(joined), Then::Store, RowsMut::one(gates), &self.arena);
        let Some((gate_norm, cell_norm)) = &layer.norms else {
            lstm::step(Rows::one(gates), size, RowsMut::one(cell), RowsMut::one(hidden));
            return;
        };
        let normed = self.arena.scratch(4 * size);
        gate_norm.apply(Rows::one(gates), RowsMut::one(normed));
        let (input_forget, update_output) = normed.split_at_mut(2 * size);
        let (update, output) = update_output.split_at_mut(size);
        activation::sigmoid(input_forget);
        activation::tanh(update);
        activation::sigmoid(output);
        let (input, forget) = input_forget.split_at(size);
        for (((cell, forget), input), update) in cell.iter_mut().zip(forget).zip(input).zip(&*update) {
            *cell = forget * *cell + input * update;
        }
        let next = self.arena.scratch(size);
        cell_norm.apply(Rows::one(cell), RowsMut::one(next));
        cell.copy_from_slice(next);
        activation::tanh(next);
        for ((hidden, output), next) in hidden.iter_mut().zip(&*output).zip(&*next) {
            *hidden = output * next;
        }
    }
}

impl Predictor for Heads {
    fn state_len(&self) -> usize {
        let config = &self.config;
        match config.num_lstm_layers {
            0 => config.stateless_context * config.symbol_embedding_dim,
            layers => layers * 2 * config.lstm_hidden(),
        }
    }

    fn prediction_len(&self) -> usize {
        self.config.encoding_dim
    }

    fn start(&mut self, state: &mut [f32], prediction: &mut [f32]) {
        state.fill(0.0);
        if self.config.num_lstm_layers == 0 {
            for row in state.chunks_exact_mut(self.config.symbol_embedding_dim) {
                self.embed(self.config.blank(), row);
                self.arena.reset();
            }
        }
        self.advance(self.config.blank(), state, prediction);
    }

    fn advance(&mut self, symbol: u32, state: &mut [f32], prediction: &mut [f32]) {
        let (size, hidden) = (self.config.symbol_embedding_dim, self.config.lstm_hidden());
        let weights = Arc::clone(&self.weights);
        let predictor = &weights.predictor;
        let linear_out = if predictor.lstm.is_empty() {
            // The embeddings of the last symbols, the oldest first.
            state.copy_within(size.., 0);
            let newest = state.len() - size;
            self.embed(symbol, &mut state[newest..]);
            &*state
        } else {
            let mut input = &mut *self.arena.scratch(size);
            self.embed(symbol, input);
            for (layer, state) in predictor.lstm.iter().zip(state.chunks_exact_mut(2 * hidden)) {
                self.lstm(layer, input, state);
                input = self.arena.scratch(hidden);
                input.copy_from_slice(&state[..hidden]);
            }
            &*input
        };
        let encoded = self.arena.scratch(prediction.len());
        predictor.linear.apply(Rows::one(linear_out), Then::Store, RowsMut::one(encoded), &self.arena);
        predictor.output_norm.apply(Rows::one(encoded), RowsMut::one(prediction));
        self.arena.reset();
    }
}

impl Joiner for Heads {
    fn symbols(&self) -> usize {
        self.config.num_symbols
    }

    fn blank(&self) -> u32 {
        self.config.blank()
    }

    fn best(&mut self, frame: &[f32], prediction: &[f32]) -> Option<Best> {
        self.join(frame, Rows::one(prediction));
        let joined = Rows::one(&self.joined[..prediction.len()]);
        let best = self.weights.joiner.best(joined, &self.arena);
        self.arena.reset();
        best
    }

    fn logits(&mut self, frame: &[f32], predictions: Rows<'_>, out: RowsMut<'_>) {
        let width = self.config.encoding_dim;
        for first in (0..predictions.count).step_by(MAX_ROWS) {
            let count = MAX_ROWS.min(predictions.count - first);
            self.join(frame, predictions.range(first, count));
            let joined = Rows::dense(&self.joined[..count * width], width);
            let rows = RowsMut::new(&mut out.data[first * out.stride..], out.stride, count);
            self.weights.joiner.apply(joined, Then::Store, rows, &self.arena);
            self.arena.reset();
        }
    }
}

impl CtcHead for Heads {
    fn ctc_symbols(&self) -> usize {
        if self.weights.has_ctc() { self.config.num_symbols } else { 0 }
    }

    fn ctc_blank(&self) -> u32 {
        self.config.blank()
    }

    fn ctc_logits(&mut self, frame: &[f32], out: &mut [f32]) {
        if let Some(ctc) = &self.weights.ctc {
            ctc.apply(Rows::one(frame), Then::Store, RowsMut::one(out), &self.arena);
            self.arena.reset();
        }
    }
}
