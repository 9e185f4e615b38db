//! A WebSocket that sends back what it gets: what the network and this program take themselves, in the same run.

use super::feeder::{BLOCK, due};
use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async_with_config};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves the echo on a port of this machine, until the runtime ends.
///
/// # Errors
/// If there is no port.
pub async fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("echo: no port")?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.set_nodelay(true)?;
                let mut socket = accept_async(stream).await?;
                while let Some(message) = socket.next().await {
                    let message = message?;
                    if let Message::Binary(_) | Message::Text(_) = message {
                        socket.send(message).await?;
                    }
                }
                anyhow::Ok(())
            });
        }
    });
    Ok(address)
}

/// Sends a block each time that one is due, and takes the times from when it was due until it is back, in milliseconds.
/// `start` is the time of the first sample after the beginning of all, which was at `begun`.
///
/// # Errors
/// If the echo cannot be reached or gives something else back.
pub async fn measure(
    address: SocketAddr,
    mut blocks: UnboundedReceiver<usize>,
    start: Duration,
    begun: Instant,
) -> Result<Vec<f64>> {
    let url = format!("ws://{address}/");
    let (socket, _) = connect_async_with_config(url, None, true).await.context("echo")?;
    let (mut sink, mut stream) = socket.split();
    let writer = tokio::spawn(async move {
        let mut sent = 0_usize;
        while let Some(block) = blocks.recv().await {
            let mut bytes = vec![0; 2 * BLOCK];
            bytes[..8].copy_from_slice(&(block as u64).to_le_bytes());
            sink.send(Message::binary(bytes)).await?;
            sent += 1;
        }
        sink.send(Message::Close(None)).await?;
        anyhow::Ok(sent)
    });
    let mut times = Vec::new();
    loop {
        let Some(message) = timeout(Duration::from_secs(3600), stream.next()).await.context("echo")? else {
            break;
        };
        let Ok(Message::Binary(bytes)) = message else { break };
        let now = begun.elapsed();
        let number =
            bytes.first_chunk().map(|number| u64::from_le_bytes(*number)).context("echo: another message")?;
        let due = due(start, usize::try_from(number)?);
        times.push(now.saturating_sub(due).as_secs_f64() * 1e3);
    }
    let sent = timeout(PATIENCE, writer).await.context("echo")???;
    ensure!(times.len() == sent, "echo: {} of {sent} blocks came back", times.len());
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::super::feeder::{Line, feed};
    use super::*;

    #[tokio::test]
    async fn every_block_comes_back() {
        let address = serve().await.unwrap();
        let (sender, blocks) = tokio::sync::mpsc::unbounded_channel();
        let (start, begun) = (Duration::from_millis(50), Instant::now());
        let feeder = std::thread::spawn(move || feed(vec![Line { start, blocks: 5, sender }], begun));
        let times = measure(address, blocks, start, begun).await.unwrap();
        assert_eq!(times.len(), 5);
        assert_eq!(feeder.join().unwrap().len(), 5);
    }
}
