//! The importer on the published files, and on what could become of them.

use super::*;
use crate::formats::onnx::proto::{self, Model, Node};
use crate::layers::linear::LinearWeights;
use crate::manager::{self, ModelFiles};
use crate::networks::moonshine::weights::AttentionWeights;
use prost::Message;
use std::collections::HashMap;

const ENCODER: &str = "encoder_model.onnx";
const DECODER: &str = "decoder_model_merged.onnx";

fn files(name: &str) -> ModelFiles {
    manager::fetch(name).expect("the model can be fetched")
}

fn import_model(name: &str) -> MoonshineWeights {
    let files = files(name);
    import(files.path(ENCODER), files.path(DECODER)).expect("the files are a Moonshine network")
}

fn message(file: &str) -> Model {
    let bytes = std::fs::read(files("moonshine-tiny").path(file)).unwrap();
    Model::decode(bytes::Bytes::from(bytes)).unwrap()
}

fn graph(model: Model) -> Graph {
    onnx::from_model(Path::new("edited.onnx"), model).unwrap()
}

/// Calls `edit` on every node, those of branches included.
fn edit_nodes(graph: &mut proto::Graph, edit: &mut impl FnMut(&mut Node)) {
    for node in &mut graph.nodes {
        for branch in node.attributes.iter_mut().filter_map(|attribute| attribute.graph.as_mut()) {
            edit_nodes(branch, edit);
        }
        edit(node);
    }
}

fn edited(mut model: Model, mut edit: impl FnMut(&mut Node)) -> Model {
    edit_nodes(model.graph.as_mut().unwrap(), &mut edit);
    model
}

fn encoder_error(model: &Model, edit: impl FnMut(&mut Node)) -> String {
    match encoder::import(&graph(edited(model.clone(), edit))) {
        Ok(_) => panic!("an encoder that computes something else was accepted"),
        Err(error) => error.to_string(),
    }
}

fn decoder_error(model: &Model, edit: impl FnMut(&mut Node)) -> String {
    match import_decoder(graph(edited(model.clone(), edit))) {
        Ok(_) => panic!("a decoder that computes something else was accepted"),
        Err(error) => error.to_string(),
    }
}

fn parts(name: String, block: &AttentionWeights) -> [(String, &LinearWeights); 4] {
    let AttentionWeights { query, key, value, output } = block;
    [("query", query), ("key", key), ("value", value), ("output", output)]
        .map(|(part, linear)| (format!("{name} {part}"), linear))
}

/// Every matrix, with a name for messages.
fn matrices(weights: &MoonshineWeights) -> Vec<(String, &LinearWeights)> {
    let stem = &weights.stem;
    let mut all = vec![
        ("conv1".to_owned(), &stem.conv1.linear),
        ("conv2".to_owned(), &stem.conv2.linear),
        ("conv3".to_owned(), &stem.conv3.linear),
    ];
    for (i, layer) in weights.encoder_layers.iter().enumerate() {
        all.extend(parts(format!("encoder layer {i}"), &layer.attention));
        all.push((format!("encoder layer {i} up"), &layer.up));
        all.push((format!("encoder layer {i} down"), &layer.down));
    }
    for (i, layer) in weights.decoder_layers.iter().enumerate() {
        all.extend(parts(format!("decoder layer {i} self"), &layer.self_attention));
        all.extend(parts(format!("decoder layer {i} cross"), &layer.cross_attention));
        all.push((format!("decoder layer {i} up"), &layer.up));
        all.push((format!("decoder layer {i} down"), &layer.down));
    }
    all
}

#[test]
fn the_published_files_give_the_published_network() {
    let weights = import_model("moonshine-tiny");
    let sizes = MoonshineSizes {
        hidden: 288,
        heads: 8,
        head_dim: 36,
        rotary_dim: 32,
        encoder_mlp: 1152,
        decoder_mlp: 1152,
        vocabulary: 32768,
    };
    assert_eq!(weights.sizes, sizes);
    assert_eq!((weights.encoder_layers.len(), weights.decoder_layers.len()), (6, 6));
    let convs = [&weights.stem.conv1, &weights.stem.conv2, &weights.stem.conv3];
    assert_eq!(convs.map(|conv| (conv.kernel, conv.stride)), [(127, 64), (7, 3), (3, 2)]);
    assert_eq!((weights.layer_norm_epsilon, weights.stem.norm_epsilon), (1e-5, 1e-5));
    for (i, &frequency) in weights.rotary_frequencies.iter().enumerate() {
        let expected = 10_000f32.powf(-2.0 * i as f32 / 32.0);
        assert!((frequency - expected).abs() < 1e-6, "frequency {i} is {frequency}, not {expected}");
    }
    // 27.1 million numbers, as published: none was left out or taken twice.
    let norms = 13 * 288 + 19 * 288 + 2 * 288;
    let count = |linear: &LinearWeights| linear.weight.len() + linear.bias.as_ref().map_or(0, Vec::len);
    let in_matrices = matrices(&weights).iter().map(|(_, linear)| count(linear)).sum::<usize>();
    assert_eq!(in_matrices + weights.embedding.len() + norms, 27_092_736);
}

#[test]
fn no_matrix_is_used_twice() {
    let weights = import_model("moonshine-tiny");
    let mut seen = HashMap::new();
    for (name, linear) in matrices(&weights) {
        let start = linear.weight[..16].iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        if let Some(other) = seen.insert(start, name.clone()) {
            panic!("{name} and {other} are the same matrix");
        }
    }
}

#[test]
fn the_quantized_files_give_nearly_the_same_numbers() {
    let (weights, quantized) = (import_model("moonshine-tiny"), import_model("moonshine-tiny-quantized"));
    assert_eq!(weights.sizes, quantized.sizes);
    let deviation = |a: &[f32], b: &[f32]| {
        let square = |sum: f32, x: f32| sum + x * x;
        let difference = a.iter().zip(b).map(|(a, b)| a - b).fold(0.0, square);
        (difference / a.iter().copied().fold(0.0, square)).sqrt()
    };
    let embeddings = ("embedding".to_owned(), deviation(&weights.embedding, &quantized.embedding));
    let pairs = matrices(&weights).into_iter().zip(matrices(&quantized));
    let deviations = pairs.map(|((name, a), (_, b))| (name, deviation(&a.weight, &b.weight)));
    for (name, deviation) in deviations.chain([embeddings]) {
        assert!(deviation > 0.0, "{name} is not quantized");
        assert!(deviation < 0.1, "{name} deviates by {deviation} of its norm");
    }
}

/// Other names, other orders of operands and of constants: the same network.
#[test]
fn names_and_orders_mean_nothing() {
    let renamed = |mut model: Model| {
        let mut names = HashMap::from([(String::new(), String::new())]);
        let mut rename = |name: &mut String| {
            let next = format!("v{}", names.len());
            *name = names.entry(std::mem::take(name)).or_insert(next).clone();
        };
        fn rename_all(graph: &mut proto::Graph, rename: &mut impl FnMut(&mut String)) {
            graph.initializers.iter_mut().rev().for_each(|tensor| rename(&mut tensor.name));
            graph.initializers.reverse();
            graph.inputs.iter_mut().chain(&mut graph.outputs).for_each(|value| rename(&mut value.name));
            for node in &mut graph.nodes {
                node.name.clear();
                node.inputs.iter_mut().chain(&mut node.outputs).for_each(&mut *rename);
                if matches!(node.operator.as_str(), "Add" | "Mul") {
                    node.inputs.reverse();
                }
                let branches = node.attributes.iter_mut().filter_map(|attribute| attribute.graph.as_mut());
                branches.for_each(|branch| rename_all(branch, rename));
            }
        }
        rename_all(model.graph.as_mut().unwrap(), &mut rename);
        graph(model)
    };
    let encoder = encoder::import(&renamed(message(ENCODER))).unwrap();
    let decoder = import_decoder(renamed(message(DECODER))).unwrap();
    assert!(join(encoder, decoder).unwrap() == import_model("moonshine-tiny"));
}

#[test]
fn another_encoder_is_refused_with_the_place() {
    let model = message(ENCODER);
    let tanh_gelu = encoder_error(&model, |node| {
        if node.operator == "Erf" {
            node.operator = "Tanh".to_owned();
        }
    });
    let other = "edited.onnx: after value '/Div_output_0': another network (expected one Erf, found Tanh)";
    assert_eq!(tanh_gelu, other);

    let padded = encoder_error(&model, |node| {
        let pads = node.attributes.iter_mut().find(|attribute| attribute.name == "pads");
        if let (Some(pads), "/conv2/Conv") = (pads, node.name.as_str()) {
            pads.ints = vec![3, 3];
        }
    });
    assert_eq!(padded, "edited.onnx: node '/conv2/Conv' (Conv): padding, dilation or groups");

    let missing = encoder_error(&model, |node| {
        if node.name == "/layers.3/mlp/fc1/MatMul" {
            node.inputs[1] = "nowhere".to_owned();
        }
    });
    assert!(missing.contains("'/layers.3/post_attention_layernorm/Mul_output_0'"), "{missing}");

    let no_residual = encoder_error(&model, |node| {
        if node.name == "/layers.4/Add_1" {
            node.inputs[0] = "/layers.3/Add_output_0".to_owned();
        }
    });
    assert!(no_residual.contains("expected a residual to '/layers.4/Add_output_0'"), "{no_residual}");

    let unscaled = encoder_error(&model, |node| {
        if node.name == "/layers.2/self_attn/Mul_4" {
            node.inputs[1] = "/Constant_3_output_0".to_owned();
        }
    });
    assert!(unscaled.contains("node '/layers.2/self_attn/MatMul'"), "{unscaled}");

    let exchanged = encoder_error(&model, |node| {
        if node.name == "/layers.1/self_attn/MatMul" {
            node.inputs.reverse();
        }
    });
    assert!(exchanged.contains("before the attention's product"), "{exchanged}");
}

#[test]
fn another_decoder_is_refused_with_the_place() {
    let model = message(DECODER);
    let other_half = decoder_error(&model, |node| {
        if node.operator == "Sigmoid" {
            node.inputs[0] = node.inputs[0].replace("Slice_1", "Slice");
        }
        if node.name.ends_with("mlp/act_fn/Mul") {
            node.inputs[0] = node.inputs[0].replace("Slice_1", "Slice");
        }
    });
    assert!(other_half.contains("silu(second half) · first half"), "{other_half}");

    let untied = decoder_error(&model, |node| {
        if node.operator == "Transpose" && node.inputs[0] == "model.decoder.embed_tokens.weight_merged_0" {
            node.inputs[0] = "onnx::MatMul_2598_merged_0".to_owned();
        }
    });
    assert!(untied.contains("expected the transposed embedding as output projection"), "{untied}");

    let no_branch = decoder_error(&model, |node| {
        if let Some(attribute) = node.attributes.iter_mut().find(|attribute| attribute.name == "else_branch")
        {
            attribute.name = "otherwise".to_owned();
        }
    });
    assert!(no_branch.contains("attribute 'else_branch' is missing"), "{no_branch}");
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let files = files("moonshine-tiny");
    let (encoder, decoder) = (files.path(ENCODER), files.path(DECODER));
    let error = import(decoder, encoder).unwrap_err().to_string();
    assert!(error.contains("decoder_model_merged.onnx: ") && error.contains("one input"), "{error}");
    let error = import(encoder, encoder).unwrap_err().to_string();
    assert!(error.contains("expected one node 'If'"), "{error}");
    let error = import(encoder, &decoder.with_file_name("absent.onnx")).unwrap_err().to_string();
    assert!(error.contains("absent.onnx: cannot be read"), "{error}");

    let mut other = encoder::import(&onnx::read(encoder).unwrap()).unwrap();
    other.rotary[3] *= 2.0;
    let decoder = import_decoder(onnx::read(decoder).unwrap()).unwrap();
    let error = join(other, decoder).unwrap_err().to_string();
    assert!(error.contains("the list of rotary frequencies"), "{error}");
}

/// Only packed files had their sizes checked: where none could be written, a lane panicked.
#[test]
fn sizes_that_no_lane_can_run_are_refused() {
    let files = files("moonshine-tiny");
    let mut encoder = encoder::import(&onnx::read(files.path(ENCODER)).unwrap()).unwrap();
    let mut decoder = import_decoder(onnx::read(files.path(DECODER)).unwrap()).unwrap();
    // One head of all channels, for which attention in 8 bits has no shape.
    let size = encoder.norm.len();
    (encoder.heads, decoder.heads) = (Heads { count: 1, size }, Heads { count: 1, size });
    let error = join(encoder, decoder).unwrap_err().to_string();
    assert!(error.contains("they make no network: a head is wider"), "{error}");
}

/// The operators come first in the file, the numbers after them.
#[test]
fn damaged_operators_give_an_error_or_a_network() {
    let file = std::fs::read(files("moonshine-tiny").path(ENCODER)).unwrap();
    let operators = 100_000;
    let (mut state, mut refused) = (1u64, 0);
    for _ in 0..32 {
        let mut damaged = file.clone();
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bit = (state >> 33) as usize % (8 * operators);
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
        let graph = onnx::read_bytes(Path::new("damaged.onnx"), damaged.into());
        refused += usize::from(graph.and_then(|graph| encoder::import(&graph).map(drop)).is_err());
    }
    assert!(refused > 16, "only {refused} of 32 damaged files were noticed");
}
