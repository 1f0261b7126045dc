//! How each watch is doing: when the API server last answered it, what failed,
//! and how far the server's clock is from ours.

use super::access::{ACCESS, Access};
use domain::instant::{Instant, SECOND_US};
use http::{Request, Response, StatusCode, header};
use k8s_openapi::jiff::fmt::rfc2822;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Tells the time; the machine's in a running collector.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Locks; what a panicking holder left is as good as any.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How one resource is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulse {
    /// When the server last answered, or sent something.
    pub last_good: Option<Instant>,
    /// What failed since, in words.
    pub failing: Option<String>,
    /// The verb that is forbidden.
    pub forbidden: Option<&'static str>,
    /// The server does not know the resource.
    pub missing: bool,
}

/// The pulses of all of [`ACCESS`], and the server's clock.
pub struct Pulses {
    clock: Clock,
    state: Mutex<State>,
    /// Woken with every change.
    pub changed: tokio::sync::Notify,
}

#[derive(Default)]
struct State {
    pulses: [Pulse; ACCESS.len()],
    skew_us: Option<i64>,
}

impl Pulses {
    /// All unknown yet.
    #[must_use]
    pub fn new(clock: Clock) -> Pulses {
        Pulses {
            clock,
            state: Mutex::default(),
            changed: tokio::sync::Notify::new(),
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Instant {
        (self.clock)()
    }

    /// The pulse of one of [`ACCESS`].
    #[must_use]
    pub fn of(&self, index: usize) -> Pulse {
        lock(&self.state).pulses[index].clone()
    }

    /// All that are forbidden: resource and verb.
    #[must_use]
    pub fn forbidden(&self) -> Vec<(Access, &'static str)> {
        let state = lock(&self.state);
        let all = ACCESS.into_iter().zip(&state.pulses);
        all.filter_map(|(access, pulse)| Some((access, pulse.forbidden?)))
            .collect()
    }

    /// How far the server's clock is ahead of ours, in microseconds, to the second.
    #[must_use]
    pub fn skew_us(&self) -> Option<i64> {
        lock(&self.state).skew_us
    }

    /// The server answered, or sent something.
    pub fn good(&self, index: usize) {
        lock(&self.state).pulses[index] = Pulse {
            last_good: Some(self.now()),
            ..Pulse::default()
        };
        self.changed.notify_waiters();
    }

    /// Something failed; `status` is what the server answered, when it did.
    pub fn failed(&self, index: usize, verb: &'static str, status: Option<u16>, words: String) {
        let mut state = lock(&self.state);
        let pulse = &mut state.pulses[index];
        pulse.failing = Some(words);
        pulse.forbidden = (status == Some(403)).then_some(verb);
        pulse.missing = status == Some(404);
        drop(state);
        self.changed.notify_waiters();
    }

    fn answered<B>(&self, path: &str, response: &Response<B>) {
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        // seconds only: the middle of the second is half of it off at most
        if let Some(date) = date.and_then(|date| rfc2822::parse(date).ok()) {
            let server = date.timestamp().as_microsecond() + SECOND_US / 2;
            lock(&self.state).skew_us = Some(server - self.now().0);
        }
        if response.status() == StatusCode::OK
            && let Some(index) = ACCESS.iter().position(|access| access.path == path)
        {
            self.good(index);
        }
    }
}

/// Notes every answer of the API server in [`Pulses`].
#[derive(Clone)]
pub struct PulseLayer(pub Arc<Pulses>);

impl<S> Layer<S> for PulseLayer {
    type Service = PulseService<S>;

    fn layer(&self, inner: S) -> PulseService<S> {
        PulseService {
            inner,
            pulses: self.0.clone(),
        }
    }
}

/// See [`PulseLayer`].
pub struct PulseService<S> {
    inner: S,
    pulses: Arc<Pulses>,
}

impl<S, A, B> Service<Request<A>> for PulseService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let pulses = self.pulses.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if let Ok(response) = &answer {
                pulses.answered(&path, response);
            }
            answer
        })
    }
}
