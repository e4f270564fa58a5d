//! The HTTP server of a run: actix-web with one worker on a thread of its own. It reads nothing but its routes.

use super::{Live, clients::Clients, page, view};
use crate::{
    failure::{Failure, Result},
    telemetry::{self, Recorder, log, machine},
};
use actix_web::{
    App, HttpResponse, HttpServer, Resource,
    guard::{self, Guard},
    http::header,
    middleware::DefaultHeaders,
    rt::{self, System},
    web,
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    os::fd::AsRawFd,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Where a Prometheus on the same machine looks first.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9187);

/// A client that needs longer for the head of its request is let go.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);

/// A page that is open asks every two seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The most clients that are connected at the same time, where descriptors are plenty.
const MOST_CLIENTS: u64 = 256;

/// So many new ones may stand before those whose place they take are gone.
const COMING: usize = 32;

/// How many new connections the system may keep until they are accepted.
const BACKLOG: libc::c_int = 4096;

/// For so long an answer that costs something is given again.
const FRESH: Duration = Duration::from_millis(100);

/// The page brings all that it needs and may load nothing else; no other page may frame it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Serves the page of `live`, and the metrics of this process, at `http://<address>/` until the process ends, and
/// returns the bound address. Metrics are recorded from then on.
///
/// Without an `address` it is [`DEFAULT_ADDRESS`], or any free loopback port when that one is used. Prints nothing.
///
/// # Errors
/// `Unavailable` when a given address cannot be bound, no port is free, or no thread is to be had.
pub fn serve(address: Option<SocketAddr>, live: Arc<Live>) -> Result<SocketAddr> {
    let listener = bind(address)?;
    let failed = |error: io::Error| Failure::unavailable(format!("cannot serve metrics: {error}"));
    let bound = listener.local_addr().map_err(failed)?;
    // SAFETY: the socket is ours and listens already; this changes the length of its queue alone. Where it fails, the
    // queue stays as it was.
    unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) };
    let recorder = telemetry::record()?;
    thread::Builder::new()
        .name("live".into())
        .spawn(move || {
            // The listener is bound and the server never ends by itself; where it does, the run goes on without.
            if let Err(error) = System::new().block_on(answer(listener, live, recorder)) {
                log::warn(&format!("the live page and /metrics are gone: {error}"));
            }
        })
        .map_err(failed)?;
    Ok(bound)
}

fn bind(address: Option<SocketAddr>) -> Result<TcpListener> {
    let unavailable = |address: SocketAddr, error: io::Error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => "another program uses it; give a free port with --metrics HOST:PORT",
            _ => "give an address of this machine with --metrics HOST:PORT",
        };
        Failure::unavailable(format!("cannot serve metrics at {address}: {error}; {remedy}"))
    };
    match address {
        Some(address) => TcpListener::bind(address).map_err(|error| unavailable(address, error)),
        None => TcpListener::bind(DEFAULT_ADDRESS)
            .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .map_err(|error| unavailable(DEFAULT_ADDRESS, error)),
    }
}

async fn answer(listener: TcpListener, live: Arc<Live>, recorder: Recorder) -> io::Result<()> {
    // Three quarters of all descriptors are for the run.
    let most = (machine::descriptors() / 4).clamp(4, MOST_CLIENTS) as usize;
    let (clients, looking) = (Clients::new(most), Arc::clone(&live));
    let sweeping = clients.clone();
    rt::spawn(async move {
        let mut ticks = rt::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            looking.snapshot();
            sweeping.sweep();
        }
    });
    let render = Arc::new(Kept::default());
    let (predicted, listed) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
    let app = move || {
        let headers = DefaultHeaders::new()
            .add((header::CONTENT_SECURITY_POLICY, POLICY))
            .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .add((header::REFERRER_POLICY, "no-referrer"))
            .add((header::CACHE_CONTROL, "no-store"));
        let (metrics, healthy, ready, status) = (recorder.clone(), live.clone(), live.clone(), live.clone());
        let (render, predicted, listed) = (Arc::clone(&render), Arc::clone(&predicted), Arc::clone(&listed));
        let home = live.clone();
        App::new()
            .wrap(headers)
            .service(read_only("/", move || {
                let html = if home.verb == "track" { view::HTML } else { page::HTML };
                reply("text/html; charset=utf-8", html.to_string())
            }))
            .service(read_only("/metrics", move || {
                reply("text/plain; version=0.0.4; charset=utf-8", render.or_made(|| metrics.render()))
            }))
            .service(read_only("/healthz", move || reply(TEXT, format!("{} runs\n", healthy.verb))))
            .service(read_only("/readyz", move || match ready.state() {
                state @ ("running" | "serving") => reply(TEXT, format!("{state}\n")),
                other => HttpResponse::ServiceUnavailable().content_type(TEXT).body(format!("{other}\n")),
            }))
            .service(read_only("/status.json", move || {
                let text = || {
                    serde_json::to_string(&status.status()).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
                };
                reply(JSON, predicted.or_made(text))
            }))
            .service(read_only("/experiment.json", {
                let live = live.clone();
                move || reply(JSON, live.settings().to_string())
            }))
            .service(read_only("/runs.json", {
                let (live, listed) = (live.clone(), Arc::clone(&listed));
                move || reply(JSON, listed.or_made(|| runs_json(&live)))
            }))
            .service(of_run("/runs/{number}/status.json", live.clone(), |run| {
                serde_json::to_string(&run.status()).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
            }))
            .service(of_run("/runs/{number}/experiment.json", live.clone(), |run| run.settings().to_string()))
            .service(previews_of_run(live.clone()))
            .service(previews(live.clone()))
            .service(view::picture(live.clone()))
            .service(view::words(live.clone()))
            .default_service(web::to(|| async {
                let paths =
                    "not found; there are / /metrics /healthz /readyz /status.json /experiment.json /runs.json\n";
                HttpResponse::NotFound().content_type(TEXT).body(paths)
            }))
    };
    HttpServer::new(app)
        .workers(1)
        // Signals stop the run, which then ends the process.
        .disable_signals()
        .max_connections(most + COMING)
        .on_connect(move |connection, data| {
            if let Some(client) = clients.admit(connection) {
                data.insert(client);
            }
        })
        .client_request_timeout(CLIENT_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .listen(listener)?
        .run()
        .await
}

/// An answer that is given to all who ask at about the same time.
#[derive(Default)]
struct Kept(Mutex<Option<(Instant, String)>>);

impl Kept {
    fn or_made(&self, make: impl FnOnce() -> String) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((at, text)) if at.elapsed() < FRESH => text.clone(),
            _ => {
                let text = make();
                *kept = Some((Instant::now(), text.clone()));
                text
            }
        }
    }
}

/// A resource that answers to GET and HEAD, and refuses every other method.
fn read_only(path: &'static str, answer: impl Fn() -> HttpResponse + Clone + 'static) -> Resource {
    let reads = guard::Any(guard::Get()).or(guard::Head());
    let handler = move || {
        let response = answer();
        async move { response }
    };
    let refused = || async { HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "GET, HEAD")).finish() };
    web::resource(path).route(web::route().guard(as_guard(reads)).to(handler)).default_service(web::to(refused))
}

/// The pictures of the newest clips. What the path says is looked up among those in memory, and nowhere else.
fn previews(live: Arc<Live>) -> Resource {
    let answer = move |path: web::Path<(String, usize)>| {
        let (split, number) = path.into_inner();
        let picture = live.picture(&split, number);
        async move { jpeg(picture) }
    };
    let refused = || async { HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "GET")).finish() };
    web::resource("/clips/{split}/{number}.jpg").route(web::get().to(answer)).default_service(web::to(refused))
}

/// Other runs that can be shown, and how many more there are.
fn runs_json(live: &Live) -> String {
    let (runs, more) = live.runs.get().map(|runs| runs.list()).unwrap_or_default();
    serde_json::json!({"runs": runs, "more": more}).to_string()
}

/// What `answer` says of the run of a number; the number is looked up among those in memory, and nowhere else.
fn of_run(path: &'static str, live: Arc<Live>, answer: fn(&Live) -> String) -> Resource {
    let answer = move |number: web::Path<usize>| {
        let run = live.runs.get().and_then(|runs| runs.run(*number));
        async move {
            match run {
                Some(run) => reply(JSON, answer(&run)),
                None => HttpResponse::NotFound().content_type(TEXT).body("no such run\n"),
            }
        }
    };
    let refused = || async { HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "GET")).finish() };
    web::resource(path).route(web::get().to(answer)).default_service(web::to(refused))
}

/// The pictures that a run has kept.
fn previews_of_run(live: Arc<Live>) -> Resource {
    let answer = move |path: web::Path<(usize, String, usize)>| {
        let (run, split, number) = path.into_inner();
        let run = live.runs.get().and_then(|runs| runs.run(run));
        let picture = run.and_then(|run| run.picture(&split, number));
        async move { jpeg(picture) }
    };
    let refused = || async { HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "GET")).finish() };
    web::resource("/runs/{run}/clips/{split}/{number}.jpg")
        .route(web::get().to(answer))
        .default_service(web::to(refused))
}

fn jpeg(picture: Option<web::Bytes>) -> HttpResponse {
    match picture {
        Some(bytes) => HttpResponse::Ok().content_type("image/jpeg").body(bytes),
        None => HttpResponse::NotFound().content_type(TEXT).body("no such picture\n"),
    }
}

fn as_guard(guard: impl Guard + 'static) -> impl Guard {
    guard
}

fn reply(kind: &'static str, body: String) -> HttpResponse {
    HttpResponse::Ok().content_type(kind).body(body)
}
