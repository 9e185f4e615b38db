//! Just enough of protobuf to write small files, ONNX ones above all.

#![allow(dead_code, reason = "each test program uses its part")]

/// Types of a tensor's elements.
pub const FLOAT: u64 = 1;
pub const INT8: u64 = 3;
pub const INT64: u64 = 7;

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

pub fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

pub fn bytes(field: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

pub fn tensor(name: &str, data_type: u64, dims: &[u64], raw: &[u8]) -> Vec<u8> {
    let dims = dims.iter().flat_map(|&size| number(1, size)).collect::<Vec<_>>();
    [dims, number(2, data_type), bytes(8, name), bytes(9, raw)].concat()
}

pub fn node(operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|name| bytes(1, name)).collect::<Vec<_>>();
    let outputs = outputs.iter().flat_map(|name| bytes(2, name)).collect::<Vec<_>>();
    let attributes = attributes.iter().flat_map(|attribute| bytes(5, attribute)).collect::<Vec<_>>();
    [inputs, outputs, bytes(3, format!("the {operator}")), bytes(4, operator), attributes].concat()
}

pub fn graph(nodes: &[Vec<u8>], constants: &[Vec<u8>], inputs: &[&str], outputs: &[&str]) -> Vec<u8> {
    let nodes = nodes.iter().flat_map(|node| bytes(1, node)).collect::<Vec<_>>();
    let constants = constants.iter().flat_map(|tensor| bytes(5, tensor)).collect::<Vec<_>>();
    let inputs = inputs.iter().flat_map(|name| bytes(11, bytes(1, name))).collect::<Vec<_>>();
    let outputs = outputs.iter().flat_map(|name| bytes(12, bytes(1, name))).collect::<Vec<_>>();
    [nodes, constants, inputs, outputs].concat()
}

pub fn model(graph: &[u8]) -> Vec<u8> {
    [number(1, 7), bytes(7, graph)].concat()
}

/// A small file with each construct that the reader treats specially: a branch, a constant node, and all ways
/// to quantize.
pub fn small_file() -> Vec<u8> {
    let half = 0.5f32.to_le_bytes();
    let constants = [
        tensor("q", INT8, &[2, 3], &[1, 2, 3, 4, 5, 0xff]),
        tensor("scale", FLOAT, &[], &half),
        tensor("zero", INT8, &[], &[1]),
        tensor("scales", FLOAT, &[3], &[half, half, half].concat()),
        tensor("shape", INT64, &[2], &[[6u8, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]].concat()),
    ];
    let constant = [bytes(1, "value"), bytes(5, tensor("", FLOAT, &[1], &half)), number(20, 4)].concat();
    let per_channel = [bytes(1, "axis"), number(3, 1), number(20, 2)].concat();
    let branch = graph(
        &[
            node("Constant", &[], &["c"], &[constant]),
            node("DynamicQuantizeLinear", &["x"], &["xq", "xs", "xz"], &[]),
            node("Mul", &["xs", "scale"], &["s"], &[]),
            node("MatMulInteger", &["xq", "q", "xz", "zero"], &["i"], &[]),
            node("Cast", &["i"], &["f"], &[]),
            node("Mul", &["f", "s"], &["product"], &[]),
            node("Gather", &["q", "x"], &["gathered"], &[]),
            node("DequantizeLinear", &["gathered", "scale", "zero"], &["row"], &[]),
            node("DequantizeLinear", &["q", "scales", ""], &["columns"], &[per_channel]),
            node("Cast", &["q"], &["cast"], &[]),
            node("Mul", &["cast", "scale"], &["scaled"], &[]),
            node("Add", &["scaled", "scale"], &["shifted"], &[]),
            node("Add", &["product", "c"], &["y"], &[]),
        ],
        &[],
        &[],
        &["y"],
    );
    let attribute = |name: &str| [bytes(1, name), bytes(6, &branch), number(20, 5)].concat();
    let branches = [attribute("then_branch"), attribute("else_branch")];
    model(&graph(&[node("If", &["x"], &["y"], &branches)], &constants, &["x"], &["y"]))
}

/// The shape of a constant of floats.
pub type Shape<'a> = &'a [u64];

/// A graph like Silero's with convolutions of these shapes (outputs, channels, kernel): that of the spectrum, four more,
/// the last. Its recurrent layer has `size` values.
pub fn detector(shapes: [Shape<'_>; 6], size: u64) -> Vec<u8> {
    let floats = |name: &str, shape: Shape<'_>| {
        let count = shape.iter().product::<u64>() as usize;
        tensor(name, FLOAT, shape, &0.25f32.to_le_bytes().repeat(count))
    };
    let ints = |name: &str, value: u64| [bytes(1, name), number(8, value), number(20, 7)].concat();
    let (rows, square) = ([4 * size], [4 * size, size]);
    let mut constants = vec![
        tensor("two", FLOAT, &[], &2f32.to_le_bytes()),
        floats("model.decoder.rnn.weight_ih", &square),
        floats("model.decoder.rnn.weight_hh", &square),
        floats("model.decoder.rnn.bias_ih", &rows),
        floats("model.decoder.rnn.bias_hh", &rows),
    ];
    let reflect = [bytes(1, "mode"), bytes(4, "reflect"), number(20, 3)].concat();
    let mut nodes = vec![
        node("Pad", &["x"], &["padded"], &[reflect]),
        node("Unsqueeze", &["padded"], &["rows"], &[]),
        node("Conv", &["rows", "weight 0"], &["spectrum"], &[ints("strides", 128)]),
        node("Slice", &["spectrum"], &["re"], &[]),
        node("Slice", &["spectrum"], &["im"], &[]),
        node("Pow", &["re", "two"], &["re squared"], &[]),
        node("Pow", &["im", "two"], &["im squared"], &[]),
        node("Add", &["re squared", "im squared"], &["power"], &[]),
        node("Sqrt", &["power"], &["value 0"], &[]),
    ];
    for (index, stride) in [1, 2, 2, 1].into_iter().enumerate() {
        let [weight, bias] = ["weight", "bias"].map(|what| format!("{what} {}", index + 1));
        let [from, conv, to] =
            [format!("value {index}"), format!("conv {index}"), format!("value {}", index + 1)];
        let attributes = [ints("strides", stride), ints("pads", 1)];
        nodes.push(node("Conv", &[&from, &weight, &bias], &[&conv], &attributes));
        nodes.push(node("Relu", &[&conv], &[&to], &[]));
        constants.push(floats(&bias, &shapes[index + 1][..1]));
    }
    nodes.push(node("LSTM", &["value 4"], &["hidden"], &[]));
    nodes.push(node("Conv", &["hidden", "weight 5", "bias 5"], &["logit"], &[]));
    nodes.push(node("Sigmoid", &["logit"], &["y"], &[]));
    constants.push(floats("bias 5", &shapes[5][..1]));
    constants
        .extend(shapes.iter().enumerate().map(|(index, shape)| floats(&format!("weight {index}"), shape)));
    model(&graph(&nodes, &constants, &["x"], &["y"]))
}
