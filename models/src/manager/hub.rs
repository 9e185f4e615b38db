//! Files from the Hugging Face hub.
//!
//! Its addresses and its token file are those of the hub's own tools; the transfer resumes, has time-outs and checks
//! lengths.

use super::cache::{self, CopyFailure, ModelDir};
use super::error::ManagerError;
use super::manifest::{FileEntry, HubRepository};
use super::progress::Progress;
use super::trust::Trust;
use crate::regular;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use ureq::config::RedirectAuthHeaders;

/// The public hub.
const PUBLIC: &str = "https://huggingface.co";
/// How long a name look-up and, after it, a connection may take: the hub is out of reach on many machines.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the hub may think before it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a transfer may stand still.
const STALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a transfer that broke off is taken up again, each time only if something came.
const RESUMES: usize = 4;

/// A client of the hub.
pub struct Hub {
    endpoint: String,
    agent: Agent,
    token: Option<String>,
    trust: Trust,
}

impl Hub {
    /// A client for `endpoint` (default: the public hub) with `token` (default: the one in `home`, the folder of the hub's
    /// own tools), which believes hosts by `trust`.
    pub fn new(endpoint: Option<String>, token: Option<String>, home: Option<&Path>, trust: Trust) -> Self {
        let endpoint = endpoint.unwrap_or_else(|| PUBLIC.to_owned()).trim_end_matches('/').to_owned();
        let token = token.or_else(|| {
            let text = fs::read_to_string(home?.join("token")).ok()?;
            Some(text.trim().to_owned()).filter(|token| !token.is_empty())
        });
        let agent = Agent::config_builder()
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_per_read(Some(STALL_TIMEOUT))
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .tls_config(trust.tls_config())
            .build()
            .into();
        Hub { endpoint, agent, token, trust }
    }

    /// Brings `file`, whose path in the repository is `remote`, into its place in `dir`. Goes on where an
    /// earlier transfer broke off.
    pub fn fetch(
        &self,
        repository: &HubRepository,
        remote: &str,
        file: &FileEntry,
        dir: &ModelDir<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), ManagerError> {
        let HubRepository { repository, revision } = repository;
        let url = format!("{}/{repository}/resolve/{}/{remote}", self.endpoint, revision.replace('/', "%2F"));
        let part = dir.part(file);
        let mut resumes = 0;
        loop {
            let before = length(&part).filter(|&have| have <= file.bytes).unwrap_or(0);
            if before < file.bytes {
                let result = self.transfer(&url, file, &part, before, progress);
                let after = length(&part).unwrap_or(0);
                if after < file.bytes && after > before && resumes < RESUMES {
                    resumes += 1;
                    continue;
                }
                result?;
            }
            return dir.install(file);
        }
    }

    /// Appends what comes after the first `have` bytes to `part`, or writes it anew if the hub sends all.
    fn transfer(
        &self,
        url: &str,
        file: &FileEntry,
        part: &Path,
        have: u64,
        progress: &mut dyn Progress,
    ) -> Result<(), ManagerError> {
        let failed = |reason: String| ManagerError::Hub { url: url.to_string(), reason };
        // A compressed body could not be resumed by byte positions.
        let mut request = self.agent.get(url).header("accept-encoding", "identity");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if have > 0 {
            request = request.header("range", format!("bytes={have}-"));
        }
        let response = request.call().map_err(|error| failed(self.trust.explain(&error)))?;
        let resumed = response.status() == 206;
        if resumed && !continues_at(&response, have) {
            return Err(failed("the answer does not continue where it was asked to".to_string()));
        }
        let (opened, done) = if resumed {
            (regular::open_with(part, File::options().append(true)), have)
        } else {
            (regular::create(part), 0)
        };
        let mut output = opened.map_err(ManagerError::io("open", part))?;
        let mut body = response.into_body().into_reader();
        cache::copy(file, done, &mut body, &mut output, progress).map_err(|failure| match failure {
            CopyFailure::Read(error) => failed(error.to_string()),
            CopyFailure::Write(error) => ManagerError::io("write", part)(error),
        })
    }
}

fn continues_at<Body>(response: &ureq::http::Response<Body>, have: u64) -> bool {
    let range = response.headers().get("content-range").and_then(|range| range.to_str().ok());
    range
        .and_then(|range| range.strip_prefix("bytes "))
        .is_some_and(|range| range.starts_with(&format!("{have}-")))
}

fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.len())
}
