//! Words in lines of about the same length.

use super::breaks;

/// How many lines of at most `columns` characters the words need. A word longer than that has a line of its own.
pub fn count<'a>(words: impl Iterator<Item = &'a str>, columns: usize) -> usize {
    let (mut lines, mut length) = (0, 0);
    for word in words {
        let word = word.chars().count();
        if lines > 0 && length + 1 + word <= columns {
            length += 1 + word;
        } else {
            lines += 1;
            length = word;
        }
    }
    lines
}

/// The words in as few lines as [`count`] says, of lengths as equal as possible; a break after punctuation is worth
/// some inequality.
pub fn balanced(words: &[&str], columns: usize) -> Vec<String> {
    let lines = count(words.iter().copied(), columns);
    // `best[n][end]`: the cost of the first `end` words in `n` lines, and where the last of these begins.
    let mut best = vec![vec![(f64::INFINITY, 0); words.len() + 1]; lines + 1];
    best[0][0] = (0.0, 0);
    for line in 1..=lines {
        for end in 1..=words.len() {
            for start in (0..end).rev() {
                let part = &words[start..end];
                if part.len() > 1 && length(part) > columns {
                    break;
                }
                let cost = best[line - 1][start].0 + line_cost(words, start, end, columns);
                if cost < best[line][end].0 {
                    best[line][end] = (cost, start);
                }
            }
        }
    }
    let (mut texts, mut end) = (Vec::with_capacity(lines), words.len());
    for line in (1..=lines).rev() {
        let start = best[line][end].1;
        texts.push(words[start..end].join(" "));
        end = start;
    }
    texts.reverse();
    texts
}

/// Grows with the square of the line's length, which is least in sum for equal lines, and with the cost of its end.
fn line_cost(words: &[&str], start: usize, end: usize, columns: usize) -> f64 {
    let length = length(&words[start..end]) as f64 / columns as f64;
    let after = words.get(end).map_or(0.0, |next| breaks::cost(words[end - 1], next));
    length * length + after / 20.0
}

fn length(words: &[&str]) -> usize {
    words.iter().map(|word| word.chars().count() + 1).sum::<usize>().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, columns: usize) -> Vec<String> {
        balanced(&text.split(' ').collect::<Vec<_>>(), columns)
    }

    #[test]
    fn a_short_text_is_one_line() {
        assert_eq!(lines("one two", 7), ["one two"]);
    }

    #[test]
    fn lines_are_of_about_the_same_length() {
        assert_eq!(
            lines("the quick brown fox jumps over the lazy dog again", 42),
            ["the quick brown fox jumps", "over the lazy dog again"]
        );
    }

    #[test]
    fn a_line_ends_at_punctuation_nearby() {
        assert_eq!(
            lines("we came home late, and nobody was there to open it", 42),
            ["we came home late,", "and nobody was there to open it"]
        );
    }

    #[test]
    fn a_number_is_not_torn_apart() {
        assert_eq!(
            lines("about twelve or maybe 5 million people", 22),
            ["about twelve or maybe", "5 million people"]
        );
    }

    #[test]
    fn a_word_longer_than_the_line_is_alone() {
        assert_eq!(lines("a verylongword b", 6), ["a", "verylongword", "b"]);
    }
}
