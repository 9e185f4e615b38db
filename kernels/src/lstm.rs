//! The element-wise part of an LSTM step (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::math::{Sigmoid, Tanh, Unary};
use crate::rows::{Rows, RowsMut};

instruction_sets! {
    /// One step of each row: `cell = sigmoid(f) * cell + sigmoid(i) * tanh(g)`, `hidden = sigmoid(o) * tanh(cell)`.
    ///
    /// Rows of `gates` hold the four gates before their functions, `size` elements each, in PyTorch's order (input, forget,
    /// cell, output): inputs and last hidden state
    /// multiplied by their weights, biases added. Rows of `cell` (read and written) and `hidden` (written) hold `size`.
    ///
    /// # Panics
    /// If the numbers of rows differ or a row does not fit its data.
    pub fn step(gates: Rows<'_>, size: usize, cell: RowsMut<'_>, hidden: RowsMut<'_>) = step_rows;
}

#[inline(always)]
fn step_rows<S: Simd>(s: S, gates: Rows<'_>, size: usize, mut cell: RowsMut<'_>, mut hidden: RowsMut<'_>) {
    assert!(gates.count == cell.count && gates.count == hidden.count, "as many rows of gates as of states");
    for r in 0..gates.count {
        let row = gates.row(r, 4 * size);
        let [input, forget, update, output] = [0, 1, 2, 3].map(|place| &row[place * size..][..size]);
        let (cell, hidden) = (cell.row(r, size), hidden.row(r, size));
        let mut i = 0;
        while i < size {
            let end = (i + S::LANES).min(size);
            let [input, forget, update, output] =
                [input, forget, update, output].map(|gate| s.load_partial(&gate[i..end]));
            let kept = s.mul(Sigmoid.apply(s, forget), s.load_partial(&cell[i..end]));
            let next = s.mul_add(Sigmoid.apply(s, input), Tanh.apply(s, update), kept);
            s.store_partial(&mut cell[i..end], next);
            s.store_partial(&mut hidden[i..end], s.mul(Sigmoid.apply(s, output), Tanh.apply(s, next)));
            i = end;
        }
    }
}
