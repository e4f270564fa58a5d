//! The HTTP server of a run: actix-web with one worker on a thread of its own. It reads nothing but its routes.

use super::{Live, page, view};
use crate::{
    failure::{Failure, Result},
    telemetry::{self, Recorder, log},
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
    sync::Arc,
    thread,
    time::Duration,
};

/// Where a Prometheus on the same machine looks first.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9187);

/// A client that needs longer for the head of its request is let go.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);

/// A page that is open asks every two seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Clients that may be connected at the same time; more wait.
const MOST_CLIENTS: usize = 64;

/// The page brings all that it needs and may load nothing else; no other page may frame it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TEXT: &str = "text/plain; charset=utf-8";

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
    let looking = Arc::clone(&live);
    rt::spawn(async move {
        let mut ticks = rt::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            looking.look();
        }
    });
    let app = move || {
        let headers = DefaultHeaders::new()
            .add((header::CONTENT_SECURITY_POLICY, POLICY))
            .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .add((header::REFERRER_POLICY, "no-referrer"))
            .add((header::CACHE_CONTROL, "no-store"));
        let (metrics, healthy, ready, status) = (recorder.clone(), live.clone(), live.clone(), live.clone());
        let home = live.clone();
        App::new()
            .wrap(headers)
            .service(read_only("/", move || {
                let html = if home.verb == "track" { view::HTML } else { page::HTML };
                reply("text/html; charset=utf-8", html.to_string())
            }))
            .service(read_only("/metrics", move || reply("text/plain; version=0.0.4; charset=utf-8", metrics.render())))
            .service(read_only("/healthz", move || reply(TEXT, format!("{} runs\n", healthy.verb))))
            .service(read_only("/readyz", move || match ready.state() {
                "running" => reply(TEXT, "running\n".into()),
                other => HttpResponse::ServiceUnavailable().content_type(TEXT).body(format!("{other}\n")),
            }))
            .service(read_only("/status.json", move || reply("application/json", status.status().to_string())))
            .service(pictures(live.clone()))
            .service(view::picture(live.clone()))
            .service(view::words(live.clone()))
            .default_service(web::to(|| async {
                let paths = "not found; there are / /metrics /healthz /readyz /status.json\n";
                HttpResponse::NotFound().content_type(TEXT).body(paths)
            }))
    };
    HttpServer::new(app)
        .workers(1)
        // Signals stop the run, which then ends the process.
        .disable_signals()
        .max_connections(MOST_CLIENTS)
        .client_request_timeout(CLIENT_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .listen(listener)?
        .run()
        .await
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
fn pictures(live: Arc<Live>) -> Resource {
    let answer = move |path: web::Path<(String, usize)>| {
        let (split, number) = path.into_inner();
        let picture = live.picture(&split, number);
        async move {
            match picture {
                Some(bytes) => HttpResponse::Ok().content_type("image/jpeg").body(bytes),
                None => HttpResponse::NotFound().content_type(TEXT).body("no such picture\n"),
            }
        }
    };
    let refused = || async { HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "GET")).finish() };
    web::resource("/clips/{split}/{number}.jpg").route(web::get().to(answer)).default_service(web::to(refused))
}

fn as_guard(guard: impl Guard + 'static) -> impl Guard {
    guard
}

fn reply(kind: &'static str, body: String) -> HttpResponse {
    HttpResponse::Ok().content_type(kind).body(body)
}
