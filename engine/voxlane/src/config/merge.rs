//! A file's values over those of a profile, on the level of TOML: the merged table is parsed as if it were the file, so
//! that what is wrong with the file's part keeps its place.

use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value stands that no file states.
const NOWHERE: Range<usize> = 0..0;

/// Where in a file its values stand, by their paths: `endpoint.silence_ms`, `lane.0.slots`.
pub(super) type Places = BTreeMap<String, Range<usize>>;

/// The places of all values in `table`.
pub(super) fn places(table: &DeTable<'_>) -> Places {
    let mut found = Places::new();
    for (key, value) in table {
        add_places(key.get_ref().to_string(), value, &mut found);
    }
    found
}

fn add_places(path: String, value: &Spanned<DeValue<'_>>, found: &mut Places) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                add_places(format!("{path}.{}", key.get_ref()), value, found);
            }
        }
        DeValue::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                add_places(format!("{path}.{index}"), value, found);
            }
        }
        _ => {}
    }
    found.insert(path, value.span());
}

/// `file` over `base`: its values replace those of the same name, tables are merged, and each table of an array (a lane)
/// lies over the first one of the base.
pub(super) fn over<'a>(mut base: DeTable<'a>, file: DeTable<'a>) -> DeTable<'a> {
    for (key, value) in file {
        let value = match base.remove(key.get_ref().as_ref()) {
            Some(below) => value_over(below.into_inner(), value),
            None => value,
        };
        base.insert(key, value);
    }
    base
}

fn value_over<'a>(base: DeValue<'a>, file: Spanned<DeValue<'a>>) -> Spanned<DeValue<'a>> {
    let span = file.span();
    let merged = match (base, file.into_inner()) {
        (DeValue::Table(base), DeValue::Table(file)) => DeValue::Table(over(base, file)),
        (DeValue::Array(base), DeValue::Array(mut file)) => {
            if let Some(DeValue::Table(base)) = base.iter().next().map(Spanned::get_ref) {
                for item in file.iter_mut() {
                    if let DeValue::Table(table) = item.get_mut() {
                        *table = over(base.clone(), std::mem::take(table));
                    }
                }
            }
            DeValue::Array(file)
        }
        (_, file) => file,
    };
    Spanned::new(span, merged)
}

/// `table` without places: they would be those of another text.
pub(super) fn without_places<'a>(table: DeTable<'a>) -> DeTable<'a> {
    let bare = |(key, value): (Spanned<_>, Spanned<_>)| {
        (
            Spanned::new(NOWHERE, key.into_inner()),
            Spanned::new(NOWHERE, value_without_places(value.into_inner())),
        )
    };
    table.into_iter().map(bare).collect()
}

fn value_without_places(value: DeValue<'_>) -> DeValue<'_> {
    match value {
        DeValue::Table(table) => DeValue::Table(without_places(table)),
        DeValue::Array(items) => {
            let bare = |item: Spanned<_>| Spanned::new(NOWHERE, value_without_places(item.into_inner()));
            DeValue::Array(items.into_iter().map(bare).collect())
        }
        other => other,
    }
}
