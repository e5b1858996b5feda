//! The one place that speaks HTTP to the server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, Url};
use serde_json::Value as Json;

use crate::batch::PROTOCOL;
use crate::blobs::{FOLDER, Store};
use crate::error::{Error, Result};

/// Where the key comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// Given by the user.
    Given(String),
    /// The file that the server writes, `{base URL: key}`; read again at each connection, so that a
    /// server that is started later is found.
    File(PathBuf),
}

/// Which writer is uploaded, and where to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server's base URL.
    pub base_url: String,
    /// Entity.
    pub entity: String,
    /// Project.
    pub project: String,
    /// Run id.
    pub run: String,
    /// Writer id.
    pub writer: String,
    /// The key.
    pub key: KeySource,
    /// Certificates, in PEM, that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether a run that was deleted may come back.
    pub revive: bool,
}

/// What follows a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// Perhaps another one.
    More,
    /// Nothing of this upload.
    Nothing,
    /// Nothing: the writer is dead.
    NothingEver,
}

/// Who uploads a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The process that writes it.
    Live,
    /// Another one, while the log is being written.
    Sync,
    /// Another one, which has seen that the process that wrote the log is dead.
    Dead,
}

/// A server's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<Duration>,
    /// `Steplog-Server`: the server's id.
    pub server: Option<String>,
}

impl Reply {
    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Why what was asked for was not done, for people.
    #[must_use]
    pub fn detail(&self) -> String {
        let body = self.json();
        let said = body.get("detail").or_else(|| body.get("title"));
        match (self.status, said.and_then(Json::as_str)) {
            (200, None) => "what answers there is no steplog server".to_owned(),
            // A redirect is none of ours, and with each of ours comes the server's id.
            (status @ (300..=399 | 404), _) if self.server.is_none() => {
                format!("what answers there is no steplog server (HTTP {status})")
            }
            (_, Some(said)) => said.to_owned(),
            (status, None) => format!("HTTP {status}"),
        }
    }
}

/// No answer came: connection refused, reset, timed out. Nothing is known about what the server did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoReply {
    /// Why, for people.
    pub reason: String,
}

/// Sends requests about one writer; a fake takes its place in tests.
pub trait Transport {
    /// Asks how far the server has come.
    fn position(&mut self) -> impl Future<Output = std::result::Result<Reply, NoReply>>;
    /// Sends a batch that begins behind `after`.
    fn send(
        &mut self,
        after: u64,
        follows: Follows,
        body: Vec<u8>,
    ) -> impl Future<Output = std::result::Result<Reply, NoReply>>;
}

/// Longest time for one request: a batch of a few MiB over a slow link.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Answers are a few numbers or a sentence; what is longer comes from something else.
const MAX_REPLY_BYTES: usize = 1 << 20;
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What rustls says where plain HTTP answers to TLS.
const NO_TLS: &str = "corrupt message of type InvalidContentType";

/// HTTP by reqwest, TLS by rustls on ring. A clone shares the connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    url: Url,
    base_url: String,
    key: KeySource,
    revive: bool,
    uploader: String,
}

impl Http {
    /// Prepares requests about a writer; does not connect.
    ///
    /// # Errors
    /// The base URL is not an HTTP address, the certificates cannot be read, or the TLS library cannot
    /// start.
    pub fn new(target: &Target, kind: Kind) -> Result<Self> {
        let bad = |reason: String| Error::Address {
            url: target.base_url.clone(),
            reason,
        };
        let mut url = Url::parse(&target.base_url).map_err(|error| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("it must begin with http:// or https://".to_owned()));
        }
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(["api", "v1", "projects"]);
                segments
                    .extend([&target.entity, &target.project])
                    .push("runs");
                segments
                    .push(&target.run)
                    .push("writers")
                    .push(&target.writer);
            }
            Err(()) => return Err(bad("it has no host".to_owned())),
        }
        // Another user of rustls in this process may have chosen first: theirs does as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let trusted = target.ca_file.as_deref().map(certificates).transpose()?;
        let client = Client::builder()
            .tls_certs_merge(trusted.unwrap_or_default())
            .user_agent(concat!("steplog/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            client,
            url,
            base_url: target.base_url.trim_end_matches('/').to_owned(),
            key: target.key.clone(),
            revive: target.revive,
            uploader: uploader(kind),
        })
    }

    /// The key, or why there is none: the request is then refused, and tried again, since the file
    /// may come, or be mended, any time.
    fn key(&self) -> std::result::Result<String, String> {
        let path = match &self.key {
            KeySource::Given(key) => return Ok(key.clone()),
            KeySource::File(path) => path,
        };
        let none = || {
            format!(
                "there is no key for {}: set STEPLOG_API_KEY, or add it to {}",
                self.base_url,
                path.display()
            )
        };
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => none(),
            _ => format!("the key file cannot be read: {}: {error}", path.display()),
        })?;
        let keys: serde_json::Value = serde_json::from_str(&text)
            .map_err(|_not_json| format!("the key file is not JSON: {}", path.display()))?;
        match keys.get(&self.base_url).and_then(serde_json::Value::as_str) {
            Some(key) if !key.is_empty() => Ok(key.to_owned()),
            _ => Err(none()),
        }
    }

    /// An address below the writer's.
    fn below(&self, names: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(names);
        }
        url
    }

    async fn reply(&self, request: reqwest::RequestBuilder) -> std::result::Result<Reply, NoReply> {
        let no_reply = |error: reqwest::Error| NoReply {
            reason: explain(&error),
        };
        let key = self.key();
        let bearer = key.as_deref().unwrap_or_default();
        let mut answer = request
            .header(AUTHORIZATION, format!("Bearer {bearer}"))
            .header("Steplog-Protocol", PROTOCOL)
            .header("Steplog-Uploader", &self.uploader)
            .send()
            .await
            .map_err(no_reply)?;
        let status = answer.status().as_u16();
        let text = |headers: &HeaderMap, name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let retry_after = text(answer.headers(), RETRY_AFTER.as_str())
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        let server = text(answer.headers(), "Steplog-Server");
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(no_reply)? {
            if body.len() + piece.len() > MAX_REPLY_BYTES {
                let reason = "the answer does not end: what answers there is no steplog server";
                return Err(NoReply {
                    reason: reason.to_owned(),
                });
            }
            body.extend_from_slice(&piece);
        }
        if let (401, Err(detail)) = (status, key) {
            body = serde_json::json!({ "detail": detail })
                .to_string()
                .into_bytes();
        }
        Ok(Reply {
            status,
            body,
            retry_after,
            server,
        })
    }
}

/// Who asks: the server lets one upload of a log in at a time. Processes of a host, which see each
/// other's locks, are told by the kernel that they share.
fn uploader(kind: Kind) -> String {
    let nanos = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(0, |now| now.as_nanos());
    let nonce = format!("{}-{nanos:x}", std::process::id());
    let host = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let host = host.map_or_else(|_not_linux| nonce.clone(), |id| id.trim().to_owned());
    let kind = match kind {
        Kind::Live => "live",
        Kind::Sync => "sync",
        Kind::Dead => "dead",
    };
    format!("{host};{kind};{nonce}")
}

/// The certificates in a file.
fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let bad = |reason: String| Error::Certificates {
        path: path.to_path_buf(),
        reason,
    };
    let text = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&text).map_err(|error| bad(explain(&error)))?;
    if found.is_empty() {
        return Err(bad("it holds no certificate in PEM".to_owned()));
    }
    Ok(found)
}

/// The innermost reason of a failed request, which is what a person needs.
fn explain(error: &reqwest::Error) -> String {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        reason = inner.to_string();
        source = inner.source();
    }
    if reason.contains(NO_TLS) {
        return "the server does not speak TLS there: is it http:// ?".to_owned();
    }
    reason
}

impl Transport for Http {
    async fn position(&mut self) -> std::result::Result<Reply, NoReply> {
        self.reply(self.client.get(self.url.clone())).await
    }

    async fn send(
        &mut self,
        after: u64,
        follows: Follows,
        body: Vec<u8>,
    ) -> std::result::Result<Reply, NoReply> {
        let mut url = self.below(&["records"]);
        url.query_pairs_mut()
            .append_pair("after", &after.to_string());
        match follows {
            Follows::More => {}
            Follows::Nothing => drop(url.query_pairs_mut().append_pair("last", "1")),
            Follows::NothingEver => drop(url.query_pairs_mut().append_pair("closed", "1")),
        }
        if self.revive {
            url.query_pairs_mut().append_pair("revive", "1");
        }
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/msgpack")
            .header(CONTENT_ENCODING, "zstd")
            .body(body);
        self.reply(request).await
    }
}

impl Store for Http {
    async fn wanted(&mut self) -> std::result::Result<Reply, NoReply> {
        self.reply(self.client.get(self.below(&[FOLDER]))).await
    }

    async fn put(
        &mut self,
        sha256: &str,
        from: u64,
        part: Vec<u8>,
    ) -> std::result::Result<Reply, NoReply> {
        let mut url = self.below(&[FOLDER, sha256]);
        url.query_pairs_mut().append_pair("from", &from.to_string());
        let request = self.client.put(url);
        // With the last part the server puts all of them together, some 300 MB in a second.
        let timeout = REQUEST_TIMEOUT + Duration::from_secs(from >> 26);
        let request = request.timeout(timeout);
        let request = request.header(CONTENT_TYPE, "application/octet-stream");
        self.reply(request.body(part)).await
    }
}
