//! Reconnecting, as an explicit layer: a [`Link`] gives the current connection
//! or makes a new one, with growing pauses. Nothing is replayed: after a new
//! connection the caller reads state again (`protocol.md` §1.4).

use std::time::Duration;

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::handshake::ConnectOptions;

/// Pauses between attempts: doubling from the first to the longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    attempts: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(30), attempts: 0 }
    }
}

impl Backoff {
    /// Returns the pause before the next attempt.
    pub fn next_pause(&mut self) -> Duration {
        let factor = 1u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        self.attempts = self.attempts.saturating_add(1);
        self.first.checked_mul(factor).unwrap_or(self.longest).min(self.longest)
    }

    /// Starts over; called after a successful connection.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// A gateway that is connected to again and again.
#[derive(Debug)]
pub struct Link {
    endpoint: Endpoint,
    options: ConnectOptions,
    backoff: Backoff,
    current: Option<Client>,
}

impl Link {
    /// Makes a link; nothing is dialled yet.
    pub fn new(endpoint: Endpoint, options: ConnectOptions) -> Self {
        Self { endpoint, options, backoff: Backoff::default(), current: None }
    }

    /// Makes a link that goes on from a live connection.
    pub fn from_client(client: Client, options: ConnectOptions) -> Self {
        Self { endpoint: client.endpoint().clone(), options, backoff: Backoff::default(), current: Some(client) }
    }

    /// Returns the live connection, or tries once to make one.
    ///
    /// # Errors
    /// Why the attempt failed; [`Error::is_terminal`] tells whether to go on.
    pub async fn attempt(&mut self) -> Result<Client, Error> {
        if let Some(client) = self.current.as_ref().filter(|client| !client.is_ended()) {
            return Ok(client.clone());
        }
        let client = Client::connect(&self.endpoint, &self.options).await?;
        self.backoff.reset();
        self.current = Some(client.clone());
        Ok(client)
    }

    /// Returns the live connection, or makes one however long that takes; `told`
    /// hears of each failed attempt and the pause after it. Drop the future to stop.
    ///
    /// # Errors
    /// The first terminal error.
    pub async fn client(&mut self, mut told: impl FnMut(&Error, Duration)) -> Result<Client, Error> {
        loop {
            let error = match self.attempt().await {
                Ok(client) => return Ok(client),
                Err(error) => error,
            };
            if error.is_terminal() {
                return Err(error);
            }
            let own = self.backoff.next_pause();
            let asked = error.refusal().and_then(|refusal| refusal.retry_after);
            let pause = asked.map_or(own, |asked| asked.min(self.backoff.longest));
            told(&error, pause);
            tokio::time::sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    #[test]
    fn pauses_double_from_one_second_to_thirty_and_start_over() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..7).map(|_| backoff.next_pause().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        for _ in 0..100 {
            assert_eq!(backoff.next_pause(), Duration::from_secs(30));
        }
        backoff.reset();
        assert_eq!(backoff.next_pause(), Duration::from_secs(1));
    }
}
