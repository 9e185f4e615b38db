//! Market data: parse → order book → signal, each stage on its own core where there are enough, kept warm while no quotes
//! come, with an HDR report at the end.
//!
//! `cargo run --release -p voxlane-runtime --example market_data`
#![allow(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;
use voxlane_runtime::chain::{Chain, Handle, Handling, Settings};
use voxlane_runtime::host::allowed_cores;
use voxlane_runtime::message::Message;
use voxlane_runtime::wait::SpinPark;

/// A quote as it comes over the wire: `B 10125 300`, a side, a price and a size.
type Line = [u8; 32];

#[derive(Clone, Copy, Default)]
struct Quote {
    is_bid: bool,
    price: u32,
    size: u32,
}

/// The best prices and what stands there.
#[derive(Clone, Copy, Default)]
struct Top {
    bid: (u32, u32),
    ask: (u32, u32),
}

struct Parse;
impl Handle for Parse {
    type Control = ();
    type In = Line;
    type Out = Quote;

    fn handle(&mut self, input: &Message<(), Line>, output: &mut Message<(), Quote>) -> Handling {
        let mut words = input.payload.split(|&byte| byte == b' ' || byte == 0);
        let side = words.next();
        let mut number = || {
            words.next()?.iter().try_fold(0u32, |n, digit| Some(n * 10 + u32::from(digit.checked_sub(b'0')?)))
        };
        let (Some(b"B" | b"A"), Some(price), Some(size)) = (side, number(), number()) else {
            return Handling::Drop;
        };
        output.payload = Quote { is_bid: side == Some(b"B"), price, size };
        Handling::SendOn
    }
}

/// Sizes by price; dummies have a book of their own.
struct Books([Box<[[u32; 2]]>; 2]);
impl Handle for Books {
    type Control = ();
    type In = Quote;
    type Out = Top;

    fn handle(&mut self, input: &Message<(), Quote>, output: &mut Message<(), Top>) -> Handling {
        let book = &mut self.0[usize::from(input.header.is_warm())];
        let Quote { is_bid, price, size } = input.payload;
        let Some(level) = book.get_mut(price as usize) else { return Handling::Drop };
        level[usize::from(is_bid)] = size;
        let at = |side: usize| {
            move |(price, level): (usize, &[u32; 2])| (level[side] > 0).then(|| (price as u32, level[side]))
        };
        let (bid, ask) =
            (book.iter().enumerate().rev().find_map(at(1)), book.iter().enumerate().find_map(at(0)));
        output.payload = Top { bid: bid.unwrap_or_default(), ask: ask.unwrap_or_default() };
        Handling::SendOn
    }
}

/// Signals when far more is bid than asked.
struct Signal;
impl Handle for Signal {
    type Control = ();
    type In = Top;
    type Out = f32;

    fn handle(&mut self, input: &Message<(), Top>, output: &mut Message<(), f32>) -> Handling {
        let (bid, ask) = (input.payload.bid.1 as f32, input.payload.ask.1 as f32);
        output.payload = (bid - ask) / (bid + ask).max(1.0);
        if output.payload > 0.5 { Handling::SendOn } else { Handling::Drop }
    }
}

fn line(number: u32) -> Line {
    let mut line = Line::default();
    let (side, price) =
        if number.is_multiple_of(2) { ("B", 1000 - number % 7) } else { ("A", 1001 + number % 5) };
    let text = format!("{side} {price} {}", number * 7919 % 500);
    line[..text.len()].copy_from_slice(text.as_bytes());
    line
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cores = allowed_cores().ok_or("the system does not say which cores there are")?;
    let core = |stage: usize| cores[stage % cores.len()];
    let books = || Books([(); 2].map(|()| vec![[0; 2]; 2048].into()));
    let mut pipeline = Chain::warmed("parse", || Parse, (0..64).map(line))
        .then("book", books)
        .then("signal", || Signal)
        .start::<SpinPark>(&[core(0), core(1), core(2)], Settings::default())?;
    let mut signals = 0;
    for number in 0..2_000 {
        let line = line(number);
        while !pipeline.send(|message| message.payload = line) {
            std::thread::yield_now();
        }
        // Quotes come in bursts.
        if number % 20 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        signals += std::iter::from_fn(|| pipeline.receive()).count();
    }
    signals += std::iter::from_fn(|| pipeline.receive_within(Duration::from_millis(100))).count();
    let report = pipeline.shutdown();
    println!("{signals} signals, {} dummies\n{report}", report.warm_passes);
    Ok(())
}
