//! Where a subtitle may be broken: how much a break between two words disturbs a reader.

/// The cost of a break after a sentence.
const SENTENCE: f64 = 0.0;
/// The cost of a break after a part of a sentence.
const CLAUSE: f64 = 1.0;
/// The cost of a break between any two words.
const WORD: f64 = 4.0;
/// The cost of a break inside a number or a name: taken only where the limits leave no other.
pub const INSIDE: f64 = 40.0;

/// Abbreviations that end in a period and belong to the next word.
const TITLES: [&str; 10] = ["mr.", "mrs.", "ms.", "dr.", "st.", "prof.", "no.", "vs.", "gen.", "capt."];
/// Words that go on with the number before them.
const MAGNITUDES: [&str; 7] = ["%", "percent", "hundred", "thousand", "million", "billion", "trillion"];

/// The cost of a break between the words `left` and `right`, from 0 (between sentences) to [`INSIDE`].
pub fn cost(left: &str, right: &str) -> f64 {
    if is_number(left, right) || is_name(left) {
        return INSIDE;
    }
    let left = left.trim_end_matches(['"', '\'', '”', '’', ')', ']', '»']);
    match left.chars().next_back() {
        Some('.' | '?' | '!' | '…') => SENTENCE,
        Some(',' | ';' | ':' | '—' | '–') => CLAUSE,
        _ => WORD,
    }
}

/// Whether both belong to one number: "1 000", "10: 30", "5 million", "$ 5".
fn is_number(left: &str, right: &str) -> bool {
    let digits = left.trim_end_matches(['.', ',', ':']);
    let ends_in_digit = digits.ends_with(|last: char| last.is_ascii_digit());
    let bare = right.trim_end_matches(|last: char| last.is_ascii_punctuation() && last != '%');
    let goes_on = right.starts_with(|first: char| first.is_ascii_digit())
        || left.len() == digits.len() && MAGNITUDES.contains(&bare.to_lowercase().as_str());
    let is_sign = matches!(left, "$" | "€" | "£" | "#" | "-" | "+");
    ends_in_digit && goes_on || is_sign && right.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether the word is a title or an initial of the name that follows.
fn is_name(left: &str) -> bool {
    let mut letters = left.chars();
    let is_initial = matches!((letters.next(), letters.next(), letters.next()),
        (Some(letter), Some('.'), None) if letter.is_uppercase());
    is_initial || TITLES.contains(&left.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_come_before_clauses_before_words() {
        let costs = [("end.”", "And"), ("first,", "then"), ("good", "morning"), ("Dr.", "Who")];
        let costs = costs.map(|(left, right)| cost(left, right));
        assert!(costs.is_sorted_by(|left, right| left < right), "{costs:?}");
    }

    #[test]
    fn numbers_and_names_stay_whole() {
        for (left, right) in [
            ("1", "000"),
            ("10:", "30"),
            ("3.", "5"),
            ("5", "million,"),
            ("50", "%"),
            ("$", "5"),
            ("J.", "Smith"),
        ] {
            assert_eq!(cost(left, right), INSIDE, "{left} {right}");
        }
        for (left, right) in
            [("in", "1999"), ("1999", "was"), ("5.", "Million"), ("hundred", "men"), ("I.e", "a")]
        {
            assert!(cost(left, right) < INSIDE, "{left} {right}");
        }
    }
}
