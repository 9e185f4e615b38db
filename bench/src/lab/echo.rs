//! Messages from one pinned core to another.

use super::distribution::{histogram, record};
use super::links::{END, wait};
use super::open_loop::{Lag, OpenLoop};
use super::pin::{on_core, pin};
use anyhow::Result;
use hdrhistogram::Histogram;
use std::time::Duration;
use voxlane::Clock;

/// A turn ends early after this time: two threads that spin on one core, or on cores that others need, wait for the
/// scheduler between any two messages.
const LONGEST: Duration = Duration::from_secs(2);

/// A link in both directions, from one link and another of the same kind: each message goes there and its number
/// comes back. The result is the round trips' nanoseconds; half of one is the way of a lone message. Both ends spin, on
/// these cores or wherever the scheduler puts them.
///
/// # Errors
/// If a core may not be used.
pub fn round_trips_over<S, R>(
    places: Option<[usize; 2]>,
    messages: u64,
    clock: &Clock,
    (mut there, mut arrives): (S, R),
    (mut back, mut returns): (S, R),
) -> Result<Histogram<u64>>
where
    S: FnMut(u64) -> bool + Send,
    R: FnMut() -> Option<u64> + Send,
{
    std::thread::scope(|scope| {
        let echo = scope.spawn(move || {
            // Without its core it still answers, so that nobody waits for ever; the turn is void.
            let pinned = places.map_or(Ok(()), |[_, far]| pin(far));
            loop {
                let number = wait(&mut arrives);
                if number == END {
                    break;
                }
                wait(|| back(number).then_some(()));
            }
            pinned
        });
        let mut measure = || {
            let mut times = histogram();
            let end = clock.now().after(LONGEST);
            for number in 0..messages {
                let sent = clock.now();
                if sent > end {
                    break;
                }
                wait(|| there(number).then_some(()));
                wait(&mut returns);
                record(&mut times, clock.now().nanos_since(sent));
            }
            wait(|| there(END).then_some(()));
            Ok(times)
        };
        let times = match places {
            Some([near, _]) => on_core(near, measure),
            None => measure(),
        };
        echo.join().map_err(|_| anyhow::anyhow!("the echo panicked"))??;
        times
    })
}

/// [`round_trips_over`] links that `make` makes.
///
/// # Errors
/// As there.
pub fn round_trips<S, R>(
    cores: [usize; 2],
    messages: u64,
    clock: &Clock,
    make: impl Fn() -> (S, R),
) -> Result<Histogram<u64>>
where
    S: FnMut(u64) -> bool + Send,
    R: FnMut() -> Option<u64> + Send,
{
    round_trips_over(Some(cores), messages, clock, make(), make())
}

/// Bursts of messages.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many.
    pub bursts: u64,
    /// Messages in each.
    pub burst: u64,
    /// One burst every so often; zero: as fast as messages are taken.
    pub pause: Duration,
}

/// What bursts of messages took.
pub struct Bursts {
    /// From the burst's intended time to each message's arrival.
    pub latency: Histogram<u64>,
    /// The generator's.
    pub lag: Option<Lag>,
    /// Messages a second, over the whole run.
    pub rate: f64,
}

/// Sends bursts of messages. Each message carries its intended time, so what arrives late because others stood before it counts.
///
/// # Errors
/// If a core may not be used.
pub fn bursts<S, R>(
    [near, far]: [usize; 2],
    Plan { bursts, burst, pause }: Plan,
    clock: &Clock,
    (mut send, mut receive): (S, R),
) -> Result<Bursts>
where
    S: FnMut(u64) -> bool + Send,
    R: FnMut() -> Option<u64> + Send,
{
    std::thread::scope(|scope| {
        let receiver_clock = clock.clone();
        let receiver = scope.spawn(move || {
            let pinned = pin(far);
            let mut latency = histogram();
            loop {
                let intended = wait(&mut receive);
                if intended == END {
                    break;
                }
                record(&mut latency, receiver_clock.now().nanos().saturating_sub(intended));
            }
            pinned.map(|()| latency)
        });
        let sent = on_core(near, || {
            let begun = clock.now();
            let mut generator = OpenLoop::new(clock, pause);
            let mut sent = 0;
            for _ in 0..bursts {
                if clock.now().since(begun) > LONGEST + pause * bursts as u32 {
                    break;
                }
                let intended = if pause.is_zero() { clock.now() } else { generator.wait() };
                for _ in 0..burst {
                    wait(|| send(intended.nanos()).then_some(()));
                }
                sent += burst;
            }
            let rate = sent as f64 / clock.now().since(begun).as_secs_f64();
            wait(|| send(END).then_some(()));
            Ok(((!pause.is_zero()).then(|| generator.finish()), rate))
        });
        let latency = receiver.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))??;
        let (lag, rate) = sent?;
        Ok(Bursts { latency, lag, rate })
    })
}
