//! What a public request may reach, and what travels with it.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use openclaw_domain::Secret;
use openclaw_domain::ports::Net as _;
use openclaw_domain::ports::net::{Egress, Error, Request, Response};
use openclaw_sandbox::net::{Client, Lookup, Options, Proxy};
use openclaw_testkit::contract::net::{self as contract, Site, Step, answer, read, request};
use tokio::io::AsyncWriteExt as _;

/// Answers lookups from a table and counts them.
#[derive(Default)]
struct Table {
    names: HashMap<&'static str, Vec<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
    count: AtomicUsize,
}

impl Table {
    /// Gives a name its addresses; with several lists, each lookup takes the next.
    fn with(names: &[(&'static str, &[&[&str]])]) -> Arc<Self> {
        let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        let names = names.iter().map(|(name, lists)| (*name, lists.iter().map(parse).collect())).collect();
        Arc::new(Self { names, ..Self::default() })
    }
}

impl Lookup for Table {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let turn = self.count.fetch_add(1, Ordering::SeqCst);
        self.asked.lock().unwrap().push(host.to_owned());
        let lists = self.names.get(host.trim_end_matches('.'));
        let found = lists.map(|lists| lists[turn.min(lists.len() - 1)].clone());
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such host")) })
    }
}

fn client(table: &Arc<Table>, allowed: &[&str]) -> Client {
    let private_hosts_allowed = allowed.iter().map(|&host| host.to_owned()).collect();
    Client::new(Options { private_hosts_allowed, lookup: Arc::clone(table) as Arc<dyn Lookup>, ..Options::default() })
}

fn public(url: String) -> Request {
    Request { egress: Egress::Public, ..request(url) }
}

async fn fetch(client: &Client, url: String) -> Result<Response, Error> {
    client.send(public(url)).await
}

const LOOPBACK: &[&[&str]] = &[&["127.0.0.1"]];

#[tokio::test]
async fn the_client_conforms_to_the_port() {
    contract::all(&Client::new(Options::default())).await;
}

#[tokio::test]
async fn a_public_request_does_not_reach_a_private_name() {
    let site = Site::with(&[("/", answer(200, "", "inside"))]).await;
    let url = || format!("http://inside.test:{}/", site.address.port());
    let table = Table::with(&[("inside.test", LOOPBACK)]);
    let got = fetch(&client(&table, &[]), url()).await.err();
    let expected = Error::Blocked { host: "inside.test".to_owned(), address: "127.0.0.1".to_owned() };
    assert_eq!(got, Some(expected));
    assert!(site.seen().is_empty() && site.connections() == 0);
    // The control: with the host allowed the very same request gets through.
    let allowed = fetch(&client(&table, &["inside.test"]), url()).await.unwrap();
    assert_eq!(read(allowed).await.unwrap(), "inside");
}

#[tokio::test]
async fn a_public_request_does_not_reach_a_private_address_in_any_spelling() {
    let site = Site::with(&[("/", answer(200, "", "inside"))]).await;
    let port = site.address.port();
    let table = Table::with(&[]);
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "127.0.0.1.",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "[fe80::1]",
        "192.168.0.1",
        "[2002:7f00:1::]",
    ] {
        let got = fetch(&client(&table, &[]), format!("http://{host}:{port}/")).await.err();
        assert!(matches!(got, Some(Error::Blocked { .. })), "{host}: {got:?}");
    }
    assert_eq!(site.connections(), 0);
    let allowed = fetch(&client(&table, &["127.0.0.1"]), format!("http://0x7f.1:{port}/")).await.unwrap();
    assert_eq!(read(allowed).await.unwrap(), "inside");
}

#[tokio::test]
async fn trailing_dots_and_case_do_not_change_the_judgement() {
    let site = Site::with(&[("/", answer(200, "", "inside"))]).await;
    let table = Table::with(&[("localhost", LOOPBACK), ("inside.test", LOOPBACK)]);
    for host in ["localhost", "localhost.", "LOCALHOST", "inside.test.", "INSIDE.test"] {
        let got = fetch(&client(&table, &[]), format!("http://{host}:{}/", site.address.port())).await.err();
        assert!(matches!(got, Some(Error::Blocked { .. })), "{host}: {got:?}");
    }
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn one_private_address_among_public_ones_refuses_the_name() {
    let table = Table::with(&[("mixed.test", &[&["8.8.8.8", "127.0.0.1"]])]);
    let got = fetch(&client(&table, &[]), "http://mixed.test/".to_owned()).await.err();
    assert_eq!(got, Some(Error::Blocked { host: "mixed.test".to_owned(), address: "127.0.0.1".to_owned() }));
}

#[tokio::test]
async fn a_name_is_looked_up_once_per_connection() {
    let site = Site::with(&[("/", answer(200, "", "x"))]).await;
    // A second lookup would get an address where nothing answers.
    let table = Table::with(&[("flip.test", &[&["127.0.0.1"], &["192.0.2.1"]])]);
    let client = client(&table, &["flip.test"]);
    for _ in 0..3 {
        let got = fetch(&client, format!("http://flip.test:{}/", site.address.port())).await.unwrap();
        assert_eq!(read(got).await.unwrap(), "x");
    }
    assert_eq!((table.count.load(Ordering::SeqCst), site.connections()), (1, 1));
}

#[tokio::test]
async fn a_redirect_is_judged_like_a_request() {
    let inside = Site::with(&[("/", answer(200, "", "inside"))]).await;
    let port = inside.address.port();
    let table = Table::with(&[("door.test", LOOPBACK), ("inside.test", LOOPBACK)]);
    for location in [
        format!("http://inside.test:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        format!("//127.0.0.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ] {
        let door = Site::with(&[("/", answer(302, &format!("Location: {location}\r\n"), ""))]).await;
        let url = format!("http://door.test:{}/", door.address.port());
        let got = fetch(&client(&table, &["door.test"]), url.clone()).await.err();
        assert!(matches!(got, Some(Error::Blocked { .. })), "{location}: {got:?}");
        assert_eq!(inside.connections(), 0);
    }
    for location in ["file:///etc/passwd", "ftp://door.test/", "http://u:p@door.test/", "http://door.test:22/"] {
        let door = Site::with(&[("/", answer(302, &format!("Location: {location}\r\n"), ""))]).await;
        let url = format!("http://door.test:{}/", door.address.port());
        let got = fetch(&client(&table, &["door.test"]), url).await.err();
        assert!(matches!(got, Some(Error::BadUrl { .. })), "{location}: {got:?}");
    }
    // The control: the same redirect to an allowed host is followed.
    let door = Site::with(&[("/", answer(302, &format!("Location: http://inside.test:{port}/\r\n"), ""))]).await;
    let url = format!("http://door.test:{}/", door.address.port());
    let got = fetch(&client(&table, &["door.test", "inside.test"]), url).await.unwrap();
    assert_eq!(got.url, format!("http://inside.test:{port}/"));
    assert_eq!(read(got).await.unwrap(), "inside");
}

#[tokio::test]
async fn secrets_do_not_follow_a_redirect_to_another_host() {
    let other = Site::with(&[("/", answer(200, "", ""))]).await;
    let away = answer(307, &format!("Location: http://b.test:{}/\r\n", other.address.port()), "");
    let site =
        Site::with(&[("/away", away), ("/near", answer(302, "Location: /end\r\n", "")), ("/end", answer(200, "", ""))])
            .await;
    let table = Table::with(&[("a.test", LOOPBACK), ("b.test", LOOPBACK)]);
    let client = client(&table, &["a.test", "b.test"]);
    let asked = |path: &str| {
        let request = public(format!("http://a.test:{}{path}", site.address.port())).header("Accept", "text/html");
        let request = request.header("Authorization", Secret::new("Bearer hunter2")).header("Cookie", "id=hunter2");
        request.header("X-Api-Key", Secret::new("hunter2"))
    };
    client.send(asked("/away")).await.unwrap();
    client.send(asked("/near")).await.unwrap();
    let seen = site.seen();
    assert_eq!(seen.iter().filter(|request| request.matches("hunter2").count() == 3).count(), 3, "{seen:?}");
    let seen = other.seen().concat();
    assert!(seen.contains("text/html") && !seen.contains("hunter2"), "{seen}");
    // A body stays too: the redirect is the answer.
    let posted = Request { method: "POST", body: "hunter2".into(), ..asked("/away") };
    assert_eq!(client.send(posted).await.unwrap().status, 307);
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test]
async fn an_unknown_host_is_named() {
    let got = fetch(&client(&Table::with(&[]), &[]), "http://nowhere.test/?key=hunter2".to_owned()).await.err();
    assert_eq!(got, Some(Error::NoSuchHost { host: "nowhere.test".to_owned() }));
}

#[tokio::test]
async fn an_event_stream_is_asked_for_uncompressed() {
    let site = Site::with(&[("/", answer(200, "", ""))]).await;
    let client = Client::new(Options::default());
    client.send(request(site.url("/"))).await.unwrap();
    client.send(request(site.url("/")).header("Accept", "text/event-stream")).await.unwrap();
    let seen = site.seen();
    assert!(seen[0].to_lowercase().contains("accept-encoding: gzip,br\r\n"), "{}", seen[0]);
    assert!(seen[1].to_lowercase().contains("accept-encoding: identity\r\n"), "{}", seen[1]);
}

#[tokio::test]
async fn connections_are_reused() {
    let site = Site::with(&[("/", answer(200, "", "x"))]).await;
    let client = Client::new(Options::default());
    client.warm().await;
    for _ in 0..5 {
        assert_eq!(read(client.send(request(site.url("/"))).await.unwrap()).await.unwrap(), "x");
    }
    assert_eq!(site.connections(), 1);
}

#[tokio::test]
async fn a_proxy_serves_configured_origins_only_and_loopback_never() {
    let proxy = Site::with(&[("http://model.test/v1", answer(200, "", "by proxy"))]).await;
    let direct = Site::with(&[("/", answer(200, "", "direct"))]).await;
    let table = Table::with(&[("model.test", &[&["127.0.0.1"]]), ("bypassed.test", LOOPBACK)]);
    let client = Client::new(Options {
        proxy: Some(Proxy { url: Secret::new(proxy.url("")), bypass: "bypassed.test".to_owned() }),
        lookup: Arc::clone(&table) as Arc<dyn Lookup>,
        ..Options::default()
    });
    let got = client.send(request("http://model.test/v1".to_owned())).await.unwrap();
    assert_eq!(read(got).await.unwrap(), "by proxy");
    assert_eq!(table.count.load(Ordering::SeqCst), 0);
    for url in [direct.url("/"), format!("http://bypassed.test:{}/", direct.address.port())] {
        assert_eq!(read(client.send(request(url)).await.unwrap()).await.unwrap(), "direct");
    }
    // A public request is judged by its own lookup, not by a proxy's.
    let got = fetch(&client, "http://model.test/v1".to_owned()).await.err();
    assert!(matches!(got, Some(Error::Blocked { .. })), "{got:?}");
    assert_eq!(proxy.seen().len(), 1);
}

/// Makes a gzip stream of zeros, a thousand times smaller than what it becomes.
fn bomb(megabytes: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false];
    let code =
        |bits: &mut Vec<bool>, value: u32, length: u32| bits.extend((0..length).rev().map(|bit| value >> bit & 1 == 1));
    // One literal zero, then copies of 258 bytes from one byte back.
    code(&mut bits, 0x30, 8);
    for _ in 0..megabytes * 1024 * 1024 / 258 {
        code(&mut bits, 0xc5, 8);
        code(&mut bits, 0, 5);
    }
    code(&mut bits, 0, 7);
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    bytes.extend(bits.chunks(8).map(|chunk| chunk.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))));
    bytes
}

#[tokio::test]
async fn the_limit_counts_what_a_compressed_body_becomes() {
    let packed = bomb(64);
    assert!(packed.len() < 1024 * 1024);
    let site = Site::start(Arc::new(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
        vec![Step::Send(head.into_bytes()), Step::Send(packed.clone())]
    }))
    .await;
    let client = Client::new(Options::default());
    let limited = Request { body_bytes_max: 2 * 1024 * 1024, ..request(site.url("/")) };
    let mut body = client.send(limited).await.unwrap().body;
    let mut received = 0;
    let end = loop {
        match body.next().await.unwrap() {
            Ok(chunk) => received += chunk.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(received, 2 * 1024 * 1024);
    assert!(matches!(end, Error::TooLarge { .. }), "{end:?}");
}

#[tokio::test]
async fn a_port_of_another_protocol_is_refused_before_anything_is_looked_up() {
    let table = Table::with(&[("mail.test", &[&["8.8.8.8"]])]);
    let got = fetch(&client(&table, &[]), "http://mail.test:25/".to_owned()).await.err();
    assert!(matches!(got, Some(Error::BadUrl { .. })), "{got:?}");
    assert_eq!(table.count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_without_tls_is_an_error_without_the_key() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/?key=hunter2", listener.local_addr().unwrap());
    let client = Client::new(Options::default());
    let answer_plainly = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    };
    let got = tokio::select! {
        got = client.send(request(url).header("X-Key", Secret::new("hunter2"))) => got.err(),
        () = answer_plainly => None,
    };
    assert!(matches!(&got, Some(Error::Unreachable { .. })), "{got:?}");
    assert!(!format!("{got:?}").contains("hunter2"));
}
