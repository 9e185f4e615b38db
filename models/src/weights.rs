//! Named tensors, apart from the file format they came from.

use std::collections::BTreeMap;

/// A shape and its numbers, row-major (the last dimension is contiguous).
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// `None` where `data` has another length than `shape` asks for, or the shape is absurd.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Option<Self> {
        let expected = element_count(&shape)?;
        (expected == data.len()).then_some(Tensor { shape, data })
    }

    /// Sizes, outermost first. Empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The numbers, without a copy.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The one number of a tensor with a single element.
    pub fn scalar(&self) -> Option<f32> {
        match self.data[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// A copy with the last two of its dimensions exchanged; leading dimensions stay. Tensors of fewer than
    /// two dimensions come back as they are. Allocates the copy.
    pub fn transposed(&self) -> Tensor {
        let mut shape = self.shape.clone();
        let [.., rows, columns] = shape[..] else { return self.clone() };
        let rank = shape.len();
        shape.swap(rank - 2, rank - 1);
        let mut data = vec![0.0; self.data.len()];
        if !data.is_empty() {
            let matrices = self.data.chunks_exact(rows * columns);
            for (source, target) in matrices.zip(data.chunks_exact_mut(rows * columns)) {
                transpose_blocks(source, rows, columns, target);
            }
        }
        Tensor { shape, data }
    }
}

/// In square blocks, so that both sides stay in the first-level cache: a plain loop over a vocabulary's
/// embedding touches a new cache line and a new page for every element.
fn transpose_blocks(source: &[f32], rows: usize, columns: usize, target: &mut [f32]) {
    const BLOCK: usize = 32;
    for first_row in (0..rows).step_by(BLOCK) {
        for first_column in (0..columns).step_by(BLOCK) {
            for row in first_row..rows.min(first_row + BLOCK) {
                for column in first_column..columns.min(first_column + BLOCK) {
                    target[column * rows + row] = source[row * columns + column];
                }
            }
        }
    }
}

/// How many elements a tensor of that shape has. `None` where any of its sizes together, zeros apart, are more than
/// memory has addresses: no product of them overflows then, also where there is no element.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    let product = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size.max(1)))?;
    Some(if shape.contains(&0) { 0 } else { product })
}

/// Tensors by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// None yet.
    pub fn new() -> Self {
        Weights::default()
    }

    /// Adds a tensor; gives it back where the name is taken.
    ///
    /// # Errors
    /// The tensor, if there already is one of that name.
    pub fn insert(&mut self, name: String, tensor: Tensor) -> Result<(), Tensor> {
        use std::collections::btree_map::Entry;
        match self.tensors.entry(name) {
            Entry::Occupied(_) => Err(tensor),
            Entry::Vacant(place) => {
                place.insert(tensor);
                Ok(())
            }
        }
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// Takes the tensor called `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        self.tensors.remove(name)
    }

    /// Names and tensors, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }
}

impl IntoIterator for Weights {
    type Item = (String, Tensor);
    type IntoIter = std::collections::btree_map::IntoIter<String, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.tensors.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_must_fit_the_shape() {
        assert!(Tensor::new(vec![2, 3], vec![0.0; 6]).is_some());
        assert!(Tensor::new(vec![], vec![0.0]).is_some());
        assert!(Tensor::new(vec![2, 3], vec![0.0; 5]).is_none());
        assert!(Tensor::new(vec![usize::MAX, 2], vec![]).is_none());
        assert!(Tensor::new(vec![0, 2, 3], vec![]).is_some());
        assert!(Tensor::new(vec![0, usize::MAX, 2], vec![]).is_none());
    }

    #[test]
    fn transposing_exchanges_the_last_two_dimensions() {
        for shape in [vec![3, 70, 45], vec![33, 64], vec![1, 1, 1], vec![2, 0, 3]] {
            let count = shape.iter().product::<usize>();
            let tensor = Tensor::new(shape.clone(), (0..count).map(|i| i as f32).collect()).unwrap();
            let other = tensor.transposed();
            let [rows, columns] = shape[shape.len() - 2..] else { unreachable!() };
            assert_eq!(other.shape()[shape.len() - 2..], [columns, rows]);
            for (index, &value) in tensor.data().iter().enumerate() {
                let (matrix, row, column) =
                    (index / (rows * columns), index / columns % rows, index % columns);
                assert_eq!(other.data()[matrix * rows * columns + column * rows + row], value);
            }
            assert_eq!(other.transposed(), tensor);
        }
    }
}
