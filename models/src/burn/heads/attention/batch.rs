//! The decoder's state on the device: a fixed number of places, one segment each, all run in every step.
//!
//! Segments join and leave without a change of any shape. All places write their newest token's keys and values
//! into the same column of the caches, and a place sees the columns since it joined: the columns are a ring,
//! wide enough for the longest segment, so that one write of fixed shape serves everybody. What a place computes
//! depends on its own rows alone, so its tokens do not depend on who shares the batch.
//!
//! The next token is chosen on the device and fed back there. The host reads tokens to know when a segment
//! ends, and may read them a step late.

use super::layer::{Cache, DecoderLayer, Step};
use crate::burn::dtype;
use crate::burn::layers::{HIDDEN_SCORE, Linear, Norm, Place, Rotation, padding_scores};
use crate::decode::Prediction;
use crate::layers::linear::LinearWeights;
use crate::networks::moonshine::config::{Config, START_TOKEN};
use crate::networks::moonshine::weights::MoonshineWeights;
use burn_tensor::backend::Backend;
use burn_tensor::{DType, Int, Tensor, TensorData};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The weights of the decoder.
#[derive(Clone, Debug)]
pub(crate) struct DeviceDecoder<B: Backend> {
    layers: Vec<DecoderLayer<B>>,
    norm: Norm<B>,
    /// `vocabulary × hidden`.
    embedding: Tensor<B, 2>,
    output: Linear<B>,
    rotation: Rotation<B>,
    place: Place<B>,
}

impl<B: Backend> DeviceDecoder<B> {
    pub(crate) fn new(
        weights: &MoonshineWeights,
        config: &Config,
        rotation: Rotation<B>,
        place: &Place<B>,
    ) -> Self {
        let (vocabulary, hidden) = (config.sizes.vocabulary, config.sizes.hidden);
        let output = LinearWeights {
            weight: weights.embedding.clone(),
            bias: None,
            outputs: vocabulary,
            inputs: hidden,
        };
        let layers = weights.decoder_layers.iter().map(|layer| DecoderLayer::new(layer, config, place));
        let output = Linear::new(&output, place);
        DeviceDecoder {
            layers: layers.collect(),
            norm: Norm::new(&weights.decoder_norm, config.layer_norm_epsilon, place),
            embedding: output.weight(),
            output,
            rotation,
            place: place.clone(),
        }
    }
}

/// See the module.
pub struct Batch<B: Backend> {
    decoder: Arc<DeviceDecoder<B>>,
    places: usize,
    /// Columns of the caches of tokens.
    columns: usize,
    /// The column that the next step writes.
    column: usize,
    /// None only while a step takes them.
    tokens: Vec<Option<Cache<B>>>,
    frames: Vec<Option<Cache<B>>>,
    /// Added to the scores of the frames: `places × 1 × 1 × frames`.
    hidden_frames: Tensor<B, 4>,
    /// Row `c`: how many steps before a step that writes column `c` each column was written.
    ages: Tensor<B, 2, Int>,
    /// What each place runs next, and at which position.
    next: Tensor<B, 1, Int>,
    positions: Tensor<B, 1, Int>,
    /// The start token, and position zero.
    start: Tensor<B, 1, Int>,
    zero: Tensor<B, 1, Int>,
}

impl<B: Backend> Batch<B> {
    /// `places` places, for segments of up to `frames` padded frames.
    pub(crate) fn new(decoder: Arc<DeviceDecoder<B>>, config: &Config, frames: usize, places: usize) -> Self {
        let place = decoder.place.clone();
        let (heads, head) = (config.sizes.heads, config.sizes.head_dim);
        let columns = columns(config);
        let caches = |rows| {
            let cache = |_| Some(Cache::zeros([places, heads, rows, head], &place));
            (0..decoder.layers.len()).map(cache).collect()
        };
        let age = |i: usize| (i / columns + columns - i % columns) % columns;
        let ages = ints((0..columns * columns).map(|i| age(i) as i32), &place);
        Batch {
            places,
            columns,
            column: 0,
            tokens: caches(columns),
            frames: caches(frames),
            hidden_frames: place.zeros([places, 1, 1, frames]),
            ages: ages.reshape([columns, columns]),
            next: ints((0..places).map(|_| START_TOKEN as i32), &place),
            positions: ints((0..places).map(|_| 0), &place),
            start: ints([START_TOKEN as i32], &place),
            zero: ints([0], &place),
            decoder,
        }
    }

    /// Makes the keys and values of `layer` for a segment that is to join at `place`: `hidden` are its padded
    /// frames.
    pub(super) fn prepare(&mut self, place: usize, layer: usize, hidden: &Tensor<B, 2>) {
        let (keys, values) = self.decoder.layers[layer].keys_and_values(hidden.clone());
        let [_, heads, rows, head] = keys.dims();
        let cache = &mut self.frames[layer];
        *cache = cache
            .take()
            .map(|cache| cache.write([place..place + 1, 0..heads, 0..rows, 0..head], keys, values));
    }

    /// Lets the segment whose layers have been prepared begin at `place` with the next step; `frames` of its
    /// `padded` frames are to be seen.
    #[expect(clippy::single_range_in_vec_init, reason = "one range a dimension, and there is one dimension")]
    pub(super) fn join(&mut self, place: usize, frames: usize, hidden: &Tensor<B, 2>) {
        let all = self.hidden_frames.dims()[3];
        let seen = padding_scores(all, frames, hidden);
        self.hidden_frames =
            self.hidden_frames.clone().slice_assign([place..place + 1, 0..1, 0..1, 0..all], seen);
        self.next = self.next.clone().slice_assign([place..place + 1], self.start.clone());
        self.positions = self.positions.clone().slice_assign([place..place + 1], self.zero.clone());
    }

    /// Overwrites what a place has in the caches: a number that is not finite would reach whoever sits there
    /// next, as zero times NaN is NaN.
    pub(super) fn clean(&mut self, place: usize) {
        for cache in self.tokens.iter_mut().chain(&mut self.frames) {
            *cache = cache.take().map(|cache| {
                let [_, heads, rows, head] = cache.keys.dims();
                let zeros = self.decoder.place.zeros([1, heads, rows, head]);
                cache.write([place..place + 1, 0..heads, 0..rows, 0..head], zeros.clone(), zeros)
            });
        }
    }

    /// Enqueues one token of every place, and the read of what comes after it.
    pub fn step(&mut self) -> Predictions {
        let decoder = Arc::clone(&self.decoder);
        let (places, columns, column) = (self.places, self.columns, self.column);
        let by_position = |table: &Tensor<B, 2>| {
            let head = table.dims()[1];
            table.clone().select(0, self.positions.clone()).reshape([places, 1, head])
        };
        let ages = self.ages.clone().slice([column..column + 1, 0..columns]);
        let is_older = ages
            .expand([places, columns])
            .greater(self.positions.clone().reshape([places, 1]).expand([places, columns]));
        let hidden_tokens = is_older.float().cast(dtype(decoder.place.float)) * HIDDEN_SCORE;
        let step = Step {
            cos: by_position(&decoder.rotation.cos),
            sin: by_position(&decoder.rotation.sin),
            column,
            hidden_tokens: hidden_tokens.reshape([places, 1, 1, columns]),
            hidden_frames: self.hidden_frames.clone(),
        };
        let mut rows = decoder.embedding.clone().select(0, self.next.clone());
        for ((layer, tokens), frames) in decoder.layers.iter().zip(&mut self.tokens).zip(&self.frames) {
            if let (Some(cache), Some(frames)) = (tokens.take(), frames) {
                let (after, cache) = layer.apply(rows, cache, frames, &step);
                (rows, *tokens) = (after, Some(cache));
            }
        }
        let logits = decoder.output.apply(decoder.norm.apply(rows)).cast(DType::F32);
        let (best, token) = logits.clone().max_dim_with_indices(1);
        // With numbers that are not finite the index may be anything: no read past the embeddings.
        let token = token.clamp(0, decoder.embedding.dims()[0] as i32 - 1);
        let log_prob = (logits - best).exp().sum_dim(1).log().neg();
        self.next = token.clone().reshape([places]);
        self.positions = (self.positions.clone() + 1).clamp_max(columns as i32 - 1);
        self.column = (column + 1) % columns;
        // Ids below 2^24 are exact in f32: one tensor, one read.
        let read = Tensor::cat(vec![token.float().cast(DType::F32), log_prob], 1);
        Predictions::new(async move { read.into_data_async().await.ok() })
    }
}

/// Columns that the longest segment needs.
pub(crate) fn columns(config: &Config) -> usize {
    config.limits().max_segment_tokens.next_multiple_of(8)
}

fn ints<B: Backend>(values: impl IntoIterator<Item = i32>, place: &Place<B>) -> Tensor<B, 1, Int> {
    let values: Vec<i32> = values.into_iter().collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &place.device)
}

/// What a read-back gives.
type Data = Option<TensorData>;

/// The predictions after one step, on their way from the device. Dropping them waits: wgpu's buffer of a read that
/// nobody waits for would stay mapped, and its next use fail.
pub struct Predictions {
    /// `None` when it has been waited for.
    read: Option<Pin<Box<dyn Future<Output = Data> + Send>>>,
    data: Data,
}

impl Predictions {
    fn new(read: impl Future<Output = Data> + Send + 'static) -> Self {
        let mut read: Pin<Box<dyn Future<Output = Data> + Send>> = Box::pin(read);
        // The first poll enqueues the copy, before the work of the next step.
        match read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(data) => Predictions { read: None, data },
            Poll::Pending => Predictions { read: Some(read), data: None },
        }
    }

    fn finish(&mut self) {
        if let Some(read) = self.read.take() {
            self.data = burn_tensor::read_sync(read);
        }
    }

    /// Waits for them; one a place. None if the device failed.
    pub fn wait(mut self) -> Option<Vec<Prediction>> {
        self.finish();
        let values = self.data.take()?.convert::<f32>().into_vec::<f32>().ok()?;
        let prediction = |pair: &[f32]| Prediction { token: pair[0] as u32, log_prob: pair[1] };
        Some(values.chunks_exact(2).map(prediction).collect())
    }
}

impl Drop for Predictions {
    fn drop(&mut self) {
        self.finish();
    }
}
