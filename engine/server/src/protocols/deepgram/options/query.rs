//! A request's query, checked by the table.

use super::rows::{OPTIONS, Treatment};
use crate::protocols::deepgram::refusal::Refusal;
use axum::http::Uri;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The most options that a query may have.
const MOST: usize = 1024;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Route {
    /// `GET /v1/listen`.
    Live,
    /// `POST /v1/listen`.
    Recorded,
    /// `GET /v2/listen`.
    Flux,
}

/// The options of a request, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Query {
    pairs: Vec<(String, String)>,
    /// What has no effect.
    pub(in super::super) warnings: Vec<String>,
}

impl Query {
    /// Reads the query of an address.
    ///
    /// # Errors
    /// [`Refusal`] for a query that is none, and for options that are refused.
    pub(in super::super) fn parse(uri: &Uri, route: Route) -> Result<Self, Refusal> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Refusal::bad_request("query: not one of names and values"))?;
        let mut query = Query { pairs: pairs.0, warnings: Vec::new() };
        if query.pairs.len() > MOST {
            return Err(Refusal::bad_request(format!("query: too long (expected at most {MOST} options)")));
        }
        let mut warnings = Vec::new();
        for (name, value) in &query.pairs {
            // What is switched off is not there, by whichever means.
            let is_off = value.is_empty() || value.eq_ignore_ascii_case("false");
            let row = OPTIONS.iter().find(|row| row.name == name);
            let treatment = row.map_or(Treatment::Absent, |row| match route {
                Route::Live => row.live,
                Route::Recorded => row.recorded,
                Route::Flux => row.flux,
            });
            let note = row.map_or("not known", |row| row.note);
            match treatment {
                Treatment::Honoured | Treatment::Accepted => {}
                _ if is_off => {}
                Treatment::Refused => return Err(Refusal::bad_request(format!("{name}: refused: {note}"))),
                Treatment::Warned => warnings.push(format!("{name}: has no effect: {note}")),
                Treatment::Absent => warnings.push(format!("{}: has no effect: no option here", named(name))),
            }
        }
        query.warn_all(warnings);
        if query.one("punctuate").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
            query.warn("punctuate: has no effect: the model decides");
        }
        Ok(query)
    }

    fn warn_all(&mut self, warnings: Vec<String>) {
        warnings.into_iter().for_each(|warning| self.warn(warning));
    }

    /// Adds what a client should know, once.
    pub(in super::super) fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The last value of an option.
    pub(in super::super) fn one(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rfind(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All values of an option that is given several times.
    pub(in super::super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A switch, which is off unless it is on.
    ///
    /// # Errors
    /// [`Refusal`] for another value than `true` and `false`.
    pub(in super::super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.one(name) {
            None | Some("") => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) => Err(Refusal::bad_request(format!(
                "{name}: not a switch (expected true or false, found {value:?})"
            ))),
        }
    }

    /// A number, if it is given.
    ///
    /// # Errors
    /// [`Refusal`] for what is none, or out of range.
    pub(in super::super) fn number<N: FromStr + PartialOrd + Display>(
        &self,
        name: &str,
        range: RangeInclusive<N>,
    ) -> Result<Option<N>, Refusal> {
        let Some(value) = self.one(name) else { return Ok(None) };
        let number = value.parse().ok().filter(|number| range.contains(number));
        let wrong = || {
            let (least, most) = (range.start(), range.end());
            Refusal::bad_request(format!(
                "{name}: not supported (expected {least} to {most}, found {value:?})"
            ))
        };
        number.map(Some).ok_or_else(wrong)
    }
}

/// A client's own word, cut to a length that can be repeated.
fn named(name: &str) -> &str {
    &name[..name.floor_char_boundary(40)]
}

#[cfg(test)]
pub(in super::super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in super::super) fn parse(query: &str, route: Route) -> Result<Query, Refusal> {
        Query::parse(&format!("/v1/listen?{query}").parse().unwrap(), route)
    }

    #[test]
    fn every_option_is_honoured_told_or_refused() {
        for row in OPTIONS {
            for (route, treatment) in
                [(Route::Live, row.live), (Route::Recorded, row.recorded), (Route::Flux, row.flux)]
            {
                let query = parse(&format!("{}=true", row.name), route);
                match treatment {
                    Treatment::Honoured | Treatment::Accepted => assert_eq!(query.unwrap().warnings, [""; 0]),
                    Treatment::Refused => assert_eq!(query.unwrap_err().status, 400),
                    Treatment::Warned | Treatment::Absent => {
                        let warnings = query.unwrap().warnings;
                        assert!(warnings.len() == 1 && warnings[0].starts_with(row.name), "{warnings:?}");
                    }
                }
                assert!(parse(&format!("{}=false", row.name), route).is_ok());
            }
        }
        assert_eq!(parse("speed=9&speed=9", Route::Live).unwrap().warnings.len(), 1);
        assert_eq!(parse("punctuate=false", Route::Live).unwrap().warnings.len(), 1);
    }

    #[test]
    fn values_are_checked() {
        let query = parse("a=true&b=True&c=no&d=12&e=x&f=&d=13&g=%41+b", Route::Live).unwrap();
        assert_eq!((query.flag("a"), query.flag("b"), query.flag("z")), (Ok(true), Ok(true), Ok(false)));
        assert!(query.flag("c").is_err());
        assert_eq!(query.number("d", 1..=20), Ok(Some(13)));
        assert!(query.number("d", 1..=5).is_err() && query.number("e", 1..=5).is_err());
        assert!(query.number("f", 0.0..=1.0).is_err());
        assert_eq!(query.one("g"), Some("A b"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 512 }))]

        /// Whatever is written into an address, the answer is a query or a refusal.
        #[test]
        fn no_query_does_harm(text in "[ -~]{0,200}", name in "[a-z_]{1,16}") {
            for query in [text.clone(), format!("{name}={text}"), format!("encoding={text}&{text}")] {
                let Ok(uri) = format!("/v1/listen?{query}").parse() else { continue };
                for route in [Route::Live, Route::Recorded, Route::Flux] {
                    if let Ok(query) = Query::parse(&uri, route) {
                        let _ = (query.flag(&name), query.number(&name, 0..=9_u32), query.number(&name, 0.0..=1.0));
                    }
                }
            }
        }
    }
}
