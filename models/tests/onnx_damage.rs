//! Damaged and hostile ONNX files: an error or a graph, never a panic, and memory in proportion to the file.

#[path = "support/protobuf.rs"]
mod write;

use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use voxlane_models::formats::onnx::{Graph, OnnxError, read_bytes};
use write::small_file;

/// Counts what the current thread asks for.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    // Gone only while the thread ends, when nobody counts.
    ALLOCATED.try_with(|allocated| allocated.set(allocated.get().saturating_add(bytes))).ok();
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of the caller's and
// does not allocate, since the counter needs no initialization at run time and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises about `layout` are the ones that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` by `alloc` or `realloc` with this `layout`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        // SAFETY: `pointer` came from `System` with this `layout`, and the caller answers for `new_size`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The smallest message field is two bytes of the file and becomes a few hundred bytes of memory; growing
/// vectors and converting them take a few times that.
const MEMORY_PER_FILE_BYTE: usize = 2_000;
const MEMORY_AT_LEAST: usize = 64 << 10;

/// Reads `bytes`, walks what came out, and checks what that took.
fn read(bytes: Vec<u8>) -> Result<Graph, OnnxError> {
    let limit = MEMORY_AT_LEAST + MEMORY_PER_FILE_BYTE * bytes.len();
    let before = ALLOCATED.get();
    let graph = read_bytes(Path::new("damaged.onnx"), bytes.into());
    let allocated = ALLOCATED.get() - before;
    assert!(allocated <= limit, "{allocated} bytes for a file that allows {limit}");
    match graph {
        Ok(graph) => {
            walk(&graph);
            let branch = graph.clone().into_branch("else_branch");
            branch.as_ref().map_or_else(|error| drop(error.to_string()), walk);
            Ok(graph)
        }
        Err(error) => {
            assert!(error.to_string().starts_with("damaged.onnx: "), "{error}");
            Err(error)
        }
    }
}

fn walk(graph: &Graph) {
    let all = |_: &_| true;
    for node in graph.nodes() {
        for value in node.inputs.iter().chain(&node.outputs) {
            graph.reached_from(value, all, |node| node.operator == "none");
            graph.leading_to(value, all, |node| node.operator == "none");
            graph.describe_consumers(value);
        }
    }
}

#[test]
fn the_small_file_is_read_and_its_weights_are_restored() {
    let graph = read(small_file()).unwrap().into_branch("else_branch").unwrap();
    let operators = graph.nodes().iter().map(|node| node.operator.as_str()).collect::<Vec<_>>();
    assert_eq!(operators, ["DynamicQuantizeLinear", "MatMul", "Gather", "Gather", "Add"]);
    let weight = |name: &str| graph.weight(name).unwrap().data().to_vec();
    // scale · (q − zero): from 1, 2, 3, 4, 5, −1.
    let matrix = &graph.producer("product").unwrap().inputs;
    assert_eq!(matrix[0], "x");
    assert_eq!(weight(&matrix[1]), [0.0, 0.5, 1.0, 1.5, 2.0, -1.0]);
    assert_eq!(weight(&graph.producer("row").unwrap().inputs[0]), [0.0, 0.5, 1.0, 1.5, 2.0, -1.0]);
    assert_eq!(weight("columns"), [0.5, 1.0, 1.5, 2.0, 2.5, -0.5]);
    assert_eq!(weight("shifted"), [1.0, 1.5, 2.0, 2.5, 3.0, 0.0]);
    assert_eq!(weight("c"), [0.5]);
    assert_eq!(graph.integers("shape"), Some(&[6, 1][..]));
}

#[test]
fn every_truncation_is_an_error_or_a_graph() {
    let file = small_file();
    for length in 0..file.len() {
        // Cut at the end of a top-level field, what is left is a file without a graph.
        assert!(read(file[..length].to_vec()).is_err(), "the first {length} bytes were accepted");
    }
}

#[test]
fn what_claims_much_gets_nothing() {
    use write::*;
    let float = |dims: &[u64], raw: &[u8]| model(&graph(&[], &[tensor("t", 1, dims, raw)], &[], &[]));
    let error = |file: Vec<u8>| read(file).unwrap_err().to_string();
    assert_eq!(
        error(float(&[1 << 40], &[0; 4])),
        "damaged.onnx: tensor 't': another length than its shape has (expected 1099511627776 elements, found 1)"
    );
    assert!(error(float(&[1 << 40, 1 << 40], &[0; 4])).contains("impossible shape"));
    assert!(error(float(&[u64::MAX], &[0; 4])).contains("impossible shape (found [-1])"));
    // A length of 2^60 bytes for a field of a few bytes.
    assert!(error([varint(7 << 3 | 2), varint(1 << 60), vec![0; 8]].concat()).contains("damaged"));
    // Thousands of empty tensors in two bytes each, and branches within branches.
    assert!(read(model(&[0x2a, 0x00].repeat(20_000))).is_err());
    let nested = (0..2_000).fold(graph(&[], &[], &[], &[]), |inner, _| {
        let attribute = [bytes(1, "else_branch"), bytes(6, inner), number(20, 5)].concat();
        graph(&[node("If", &["x"], &[], &[attribute])], &[], &[], &[])
    });
    assert!(error(model(&nested)).contains("recursion"));
}

#[test]
fn a_cycle_ends() {
    use write::*;
    let nodes = [node("Add", &["a", "x"], &["b"], &[]), node("Add", &["b", "x"], &["a"], &[])];
    assert_eq!(read(model(&graph(&nodes, &[], &["x"], &["a"]))).unwrap().nodes().len(), 2);
}

#[test]
fn values_that_are_defined_twice_are_refused() {
    use write::*;
    let twice = |nodes: &[Vec<u8>], constants: &[Vec<u8>]| {
        let file = model(&graph(nodes, constants, &["x"], &["y"]));
        assert_eq!(read(file).unwrap_err().to_string(), "damaged.onnx: the value 'y' is defined twice");
    };
    let (constant, relu) = (tensor("y", 1, &[], &[0; 4]), node("Relu", &["x"], &["y"], &[]));
    twice(&[], &[constant.clone(), constant.clone()]);
    twice(&[relu.clone(), relu.clone()], &[]);
    twice(&[relu], &[constant]);
}

proptest! {
    #[test]
    fn flipped_bits_give_an_error_or_a_graph(flips in prop::collection::vec(any::<prop::sample::Index>(), 1..8)) {
        let mut file = small_file();
        for flip in flips {
            let bit = flip.index(8 * file.len());
            file[bit / 8] ^= 1 << (bit % 8);
        }
        read(file).ok();
    }

    #[test]
    fn moved_pieces_give_an_error_or_a_graph(
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        length in 1..200usize,
    ) {
        let mut file = small_file();
        let from = from.index(file.len());
        let piece = file[from..file.len().min(from + length)].to_vec();
        let to = to.index(file.len());
        file.splice(to..to, piece);
        read(file).ok();
    }

    #[test]
    fn random_bytes_give_an_error_or_a_graph(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(bytes).ok();
    }

    #[test]
    fn random_graphs_give_an_error_or_a_graph(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(write::model(&bytes)).ok();
    }
}
