//! Text that a model wrote, in a form that can be shown anywhere.

/// Returns a text that a model wrote in one line: white space of any kind becomes a space, other control characters are left
/// out.
///
/// ```
/// assert_eq!(voxlane::text::spoken("one\ntwo\x1b[2J\u{9b}"), "one two[2J");
/// ```
pub fn spoken(text: &str) -> String {
    let character = |character: char| match character {
        '\n' | '\r' | '\t' => Some(' '),
        _ if is_control(character) => None,
        _ => Some(character),
    };
    text.chars().filter_map(character).collect()
}

/// Returns whether a terminal would act on the character instead of showing it.
pub fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
