//! Loops whose body stands several times.

/// `four_at_a_time!(i in range => { body })`: a loop whose body stands four times in a row, so that counting, jumping and
/// finding addresses take fewer of the places where products could begin. Not a function that takes a closure: sums that a
/// closure holds do not stay in registers.
macro_rules! four_at_a_time {
    ($index:ident in $range:expr => $body:block) => {{
        let std::ops::Range { start: mut next, end } = $range;
        while next + 4 <= end {
            let $index = next;
            $body
            let $index = next + 1;
            $body
            let $index = next + 2;
            $body
            let $index = next + 3;
            $body
            next += 4;
        }
        while next < end {
            let $index = next;
            $body
            next += 1;
        }
    }};
}

pub(crate) use four_at_a_time;
