//! Forms of sign-in, access and one's own account. Each goes back to its page,
//! which tells once what came of it; secrets never stand in an address.

use super::Web;
use super::admit::{House, no_session_cookie, session_cookie};
use super::error::ApiError;
use super::observe::RequestId;
use crate::app::App;
use crate::app::access::is_local;
use crate::app::access::{Began, Caller, NewPerson, Note, Refusal, Whence};
use crate::error::AppError;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use domain::access::{Grant, Reach, Role, Scope};
use domain::instant::Instant;
use frontend::query::encode;
use wire::{FormAnswer, SecretKind, SignInRefused};

/// Fields never kept for the page after the form.
const SECRETS: [&str; 5] = ["password", "again", "current", "new", "code"];

/// What a form sent, in its order; a name may be there several times.
struct Sent(Vec<(String, String)>);

impl Sent {
    fn of(body: &Bytes) -> Sent {
        Sent(url::form_urlencoded::parse(body).into_owned().collect())
    }

    fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).collect()
    }

    fn written(&self) -> Vec<(String, String)> {
        let plain = self.0.iter().filter(|(name, _)| !SECRETS.contains(&name.as_str()));
        plain.cloned().collect()
    }
}

/// A form of somebody signed in with a browser. Tokens are refused: whoever has
/// one could else give it what it lacks.
pub(super) struct Form {
    app: App,
    caller: Caller,
    id: RequestId,
    secure: bool,
    origin: String,
    sent: Sent,
}

impl Form {
    fn session_id(&self) -> &str {
        self.caller
            .session
            .as_ref()
            .map_or("", |session| session.session_id.as_str())
    }

    /// Back to a page, which tells what came of the form.
    fn back(&self, page: &str, form: &str, done: Result<FormAnswer, AppError>) -> Response {
        let answer = match done {
            Ok(answer) => answer,
            Err(AppError::Usage { what, remedy }) => self.refused(form, &what, &remedy),
            Err(AppError::NotFound { what }) => {
                self.refused(form, &format!("there is no {what}"), "load the page again")
            }
            Err(error) => return ApiError::of(&error, &self.id).plain(),
        };
        match self.app.keep_note(self.session_id(), Note::Form(answer)) {
            Ok(note) => Redirect::to(&format!("{page}?note={note}")).into_response(),
            Err(error) => ApiError::of(&error, &self.id).plain(),
        }
    }

    fn refused(&self, form: &str, what: &str, remedy: &str) -> FormAnswer {
        FormAnswer::Refused {
            form: form.to_owned(),
            field: None,
            problem: format!("{what}; {remedy}"),
            written: self.sent.written(),
        }
    }

    /// The grant a form names.
    fn grant(&self) -> Result<Grant, AppError> {
        let (role, reach, owner) = (
            self.sent.get("role"),
            self.sent.get("reach"),
            self.sent.get("owner").trim(),
        );
        let role = Role::from_key(role)
            .ok_or_else(|| AppError::usage(format!("{role:?} is no role"), "choose one of the list"))?;
        // an owner that was left over from another choice is nothing to stumble over
        let owner = if reach == "all" { "" } else { owner };
        let reach = Reach::new(reach, owner).ok_or_else(|| {
            AppError::usage(
                "the reach is not complete",
                "choose the whole company, or write the name of a tenant or legal entity",
            )
        })?;
        Ok(Grant { role, reach })
    }
}

impl axum::extract::FromRequest<Web> for Form {
    type Rejection = Response;

    async fn from_request(request: axum::extract::Request, web: &Web) -> Result<Form, Response> {
        let extensions = request.extensions();
        let id = extensions
            .get::<RequestId>()
            .cloned()
            .unwrap_or_else(|| RequestId::new("none"));
        let app = extensions.get::<App>().cloned();
        let caller = extensions.get::<Caller>().cloned();
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let scheme = if web.secure { "https" } else { "http" };
        let public = web.config.public_host();
        let origin = format!("{scheme}://{}", public.as_deref().or(host).unwrap_or_default());
        let (Some(app), Some(caller)) = (app, caller) else {
            let detail = "sign in first";
            return Err(ApiError::refused(StatusCode::UNAUTHORIZED, "unauthenticated", detail, &id).plain());
        };
        if caller.session.is_none() {
            // or a token could make itself a stronger one, or a password
            let detail = "a token cannot manage access or its account; sign in with a browser";
            return Err(ApiError::refused(StatusCode::FORBIDDEN, "needs_session", detail, &id).plain());
        }
        let sent = match Bytes::from_request(request, web).await {
            Ok(body) => Sent::of(&body),
            Err(rejection) => {
                return Err(ApiError::refused(rejection.status(), "bad_form", rejection.body_text(), &id).plain());
            }
        };
        Ok(Form {
            app,
            caller,
            id,
            secure: web.secure,
            origin,
            sent,
        })
    }
}

fn done(what: impl Into<String>) -> FormAnswer {
    FormAnswer::Done { what: what.into() }
}

/// A session that began: its cookie, and the page that was asked for.
pub(super) fn signed_in(began: &Began, next: &str, secure: bool) -> Response {
    let next = if is_local(next) { next } else { "/" };
    let mut response = Redirect::to(next).into_response();
    if let Some(cookie) = session_cookie(&began.secret, secure) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Back to the sign-in page, which says why.
pub(super) fn not_signed_in(web: &Web, refused: SignInRefused, sent: [&str; 4], id: &RequestId) -> Response {
    let [login, name, code, next] = sent;
    let note = Note::SignIn {
        refused,
        login: login.to_owned(),
        name: name.to_owned(),
        code: code.to_owned(),
    };
    match web.house.acting(Scope::nobody()).keep_note("", note) {
        Ok(note) if next.is_empty() => Redirect::to(&format!("/sign-in?note={note}")).into_response(),
        Ok(note) => Redirect::to(&format!("/sign-in?next={}&note={note}", encode(next))).into_response(),
        Err(error) => ApiError::of(&error, id).plain(),
    }
}

fn door(house: &House) -> App {
    house.acting(Scope::nobody())
}

/// `POST /sign-in`
pub(super) async fn sign_in(
    State(web): State<Web>,
    Extension(whence): Extension<Whence>,
    Extension(id): Extension<RequestId>,
    body: Bytes,
) -> Response {
    let sent = Sent::of(&body);
    let (login, next) = (sent.get("login"), sent.get("next"));
    let began = door(&web.house).sign_in(login, sent.get("password"), &whence).await;
    let refused = match began {
        Ok(began) => return signed_in(&began, next, web.secure),
        Err(Refusal::Wait { seconds }) => SignInRefused::Wait {
            wait_s: u64::try_from(seconds).unwrap_or_default(),
        },
        Err(Refusal::App(error)) => return ApiError::of(&error, &id).plain(),
        Err(_) => SignInRefused::Wrong,
    };
    not_signed_in(&web, refused, [login, "", "", next], &id)
}

/// `POST /sign-in/link`
pub(super) async fn link(
    State(web): State<Web>,
    Extension(whence): Extension<Whence>,
    Extension(id): Extension<RequestId>,
    body: Bytes,
) -> Response {
    let sent = Sent::of(&body);
    match door(&web.house).follow_link(sent.get("code"), &whence).await {
        // whoever has no password yet is led to where one is set
        Ok(began)
            if !began.account.has_password && began.account.issuer.is_empty() && !sent.get("next").starts_with('/') =>
        {
            signed_in(&began, "/account", web.secure)
        }
        Ok(began) => signed_in(&began, sent.get("next"), web.secure),
        Err(Refusal::App(error)) => ApiError::of(&error, &id).plain(),
        Err(_) => not_signed_in(&web, SignInRefused::Link, ["", "", "", ""], &id),
    }
}

/// `POST /set-up`
pub(super) async fn set_up(
    State(web): State<Web>,
    Extension(whence): Extension<Whence>,
    Extension(id): Extension<RequestId>,
    body: Bytes,
) -> Response {
    let sent = Sent::of(&body);
    let (code, login, name) = (sent.get("code"), sent.get("login"), sent.get("name"));
    let password = sent.get("new");
    let refused = if password != sent.get("again") {
        SignInRefused::Differ
    } else {
        let made = door(&web.house).set_up(code, login, name, password, &whence).await;
        match made {
            Ok(began) => return signed_in(&began, sent.get("next"), web.secure),
            Err(Refusal::App(AppError::Usage { what, .. })) if what.contains("login") && !what.contains("password") => {
                SignInRefused::Login
            }
            Err(Refusal::App(AppError::Usage { what, .. })) if what.contains("name") => SignInRefused::Name,
            Err(Refusal::App(AppError::Usage { what, .. })) if what.contains("too long") => SignInRefused::Long,
            Err(Refusal::App(AppError::Usage { .. })) => SignInRefused::Short,
            Err(Refusal::App(error)) => return ApiError::of(&error, &id).plain(),
            Err(_) => SignInRefused::Code,
        }
    };
    not_signed_in(&web, refused, [login, name, code, ""], &id)
}

/// `POST /sign-out`
pub(super) async fn sign_out(form: Form) -> Response {
    if let Err(error) = form.app.sign_out(form.session_id()).await {
        return ApiError::of(&error, &form.id).plain();
    }
    let mut response = Redirect::to(&after_sign_out(&form).await).into_response();
    if let Some(cookie) = no_session_cookie(form.secure) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    // what the browser kept of pages goes too
    let clear = HeaderValue::from_static("\"cache\"");
    response.headers_mut().insert("clear-site-data", clear);
    response
}

/// Where to go: to the provider, for who came from one that wants to know.
async fn after_sign_out(form: &Form) -> String {
    let here = "/sign-in".to_owned();
    let session = form.caller.session.as_ref();
    let Some((method, id_token)) = session.and_then(|session| Some((&session.method, session.id_token.as_ref()?)))
    else {
        return here;
    };
    match form.app.oidc_sign_out(method, id_token).await {
        Ok(url) => url.map_or(here, |url| url.to_string()),
        Err(error) => {
            // the session here has ended all the same
            tracing::warn!(provider = method, error = %error.chain(), "the provider could not be told of a sign-out");
            here
        }
    }
}

/// `POST /switch`: another account of a demo.
pub(super) async fn switch(Extension(whence): Extension<Whence>, form: Form) -> Response {
    match form
        .app
        .switch_to(form.session_id(), form.sent.get("account_id"), &whence)
        .await
    {
        Ok(began) => signed_in(&began, form.sent.get("back"), form.secure),
        Err(error) => ApiError::of(&error, &form.id).plain(),
    }
}

/// `POST /account/password`
pub(super) async fn password(Extension(whence): Extension<Whence>, form: Form) -> Response {
    let (new, again) = (form.sent.get("new"), form.sent.get("again"));
    let by_link = form
        .caller
        .session
        .as_ref()
        .is_some_and(|session| session.method == "link");
    let changed = if new == again {
        form.app
            .change_password(&form.caller.account, form.sent.get("current"), new, by_link)
            .await
    } else {
        Err(AppError::usage(
            "the two new passwords differ",
            "write the new one twice",
        ))
    };
    if let Err(error) = changed {
        return form.back("/account", "/account/password", Err(error));
    }
    // every session of the account has ended, this one too: it goes on in a new one
    let account = &form.caller.account;
    let told = done("The password is changed, and your other sessions are ended");
    let began = async {
        let (began, session) = form.app.begin_again(&account.account_id, &whence).await?;
        Ok::<_, AppError>((began, form.app.keep_note(&session, Note::Form(told))?))
    };
    match began.await {
        Ok((began, note)) => signed_in(&began, &format!("/account?note={note}"), form.secure),
        Err(error) => ApiError::of(&error, &form.id).plain(),
    }
}

/// `POST /account/tokens`
pub(super) async fn new_api_token(form: Form) -> Response {
    let made = make_api_token(&form).await;
    form.back("/account", "/account/tokens", made)
}

async fn make_api_token(form: &Form) -> Result<FormAnswer, AppError> {
    let days = form.sent.get("days").trim();
    let days = days
        .parse()
        .map_err(|_| AppError::usage(format!("{days:?} is no number of days"), "write 1 to 365"))?;
    let roles: Option<Vec<Role>> = form.sent.all("role").into_iter().map(Role::from_key).collect();
    let roles = roles.ok_or_else(|| AppError::usage("one of the roles is unknown", "choose from the list"))?;
    let name = form.sent.get("name");
    let made = form
        .app
        .create_api_token(&form.caller.account, name, &roles, days)
        .await?;
    Ok(FormAnswer::Secret {
        kind: SecretKind::ApiToken,
        secret: made.token,
        whom: made.kept.name,
        until: Some(Instant(made.kept.expires_us).to_string()),
    })
}

/// `POST /access/tokens`: the same, from the Access page.
pub(super) async fn new_api_token_here(form: Form) -> Response {
    let made = make_api_token(&form).await;
    form.back("/access", "/access/tokens", made)
}

/// `POST /account/tokens/revoke`
pub(super) async fn revoke_own_token(form: Form) -> Response {
    let revoked = form.app.revoke_api_token(form.sent.get("token_id")).await;
    form.back(
        "/account",
        "/account/tokens/revoke",
        revoked.map(|()| done("The token is revoked")),
    )
}

/// `POST /account/sessions/end`
pub(super) async fn end_own_session(form: Form) -> Response {
    let ended = form
        .app
        .end_own_session(&form.caller.account, form.sent.get("session_id"))
        .await;
    form.back(
        "/account",
        "/account/sessions/end",
        ended.map(|()| done("The session is ended")),
    )
}

/// `POST /access/accounts`
pub(super) async fn invite(form: Form) -> Response {
    let invited = make_account(&form).await;
    form.back("/access", "/access/accounts", invited)
}

async fn make_account(form: &Form) -> Result<FormAnswer, AppError> {
    let new = NewPerson {
        login: form.sent.get("login").to_owned(),
        name: form.sent.get("name").to_owned(),
        grants: vec![form.grant()?],
        password: None,
    };
    let invited = form.app.invite(&new).await?;
    Ok(link_secret(form, &invited.code, invited.account.display_name))
}

fn link_secret(form: &Form, code: &str, whom: String) -> FormAnswer {
    FormAnswer::Secret {
        kind: SecretKind::Link,
        secret: format!("{}/sign-in?code={code}", form.origin),
        whom,
        until: Some(form.app.link_until().to_string()),
    }
}

/// `POST /access/grants` and `POST /access/revoke-grant`
pub(super) async fn grant(form: Form) -> Response {
    let changed = change_grant(&form, true).await;
    form.back("/access", "/access/grants", changed)
}

/// `POST /access/revoke-grant`
pub(super) async fn revoke_grant(form: Form) -> Response {
    let changed = change_grant(&form, false).await;
    form.back("/access", "/access/revoke-grant", changed)
}

async fn change_grant(form: &Form, add: bool) -> Result<FormAnswer, AppError> {
    let one = [form.grant()?];
    let account_id = form.sent.get("account_id");
    let (add_these, take): (&[Grant], &[Grant]) = if add { (&one, &[]) } else { (&[], &one) };
    let account = form.app.change_grants(account_id, add_these, take).await?;
    let [grant] = one;
    let what = if add { "is now" } else { "is no longer" };
    let over = match &grant.reach {
        Reach::All => String::new(),
        named => format!(" of {}", named.owner()),
    };
    Ok(done(format!(
        "{} {what} {}{over}",
        account.display_name,
        grant.role.label().to_lowercase()
    )))
}

/// `POST /access/disable`
pub(super) async fn disable(form: Form) -> Response {
    let done_so = form.app.let_in(form.sent.get("account_id"), false).await;
    let told = done_so.map(|()| done("The account is disabled and its sessions are ended"));
    form.back("/access", "/access/disable", told)
}

/// `POST /access/enable`
pub(super) async fn enable(form: Form) -> Response {
    let done_so = form.app.let_in(form.sent.get("account_id"), true).await;
    form.back(
        "/access",
        "/access/enable",
        done_so.map(|()| done("The account may sign in again")),
    )
}

/// `POST /access/link`
pub(super) async fn new_link(form: Form) -> Response {
    let account_id = form.sent.get("account_id");
    let made = async {
        let account = form.app.account_named(account_id).await?;
        let code = form.app.link_code(account_id).await?;
        Ok(link_secret(&form, &code, account.display_name))
    };
    let made = made.await;
    form.back("/access", "/access/link", made)
}

/// `POST /access/sessions/end`
pub(super) async fn end_session(form: Form) -> Response {
    let ended = form.app.end_session(form.sent.get("session_id")).await;
    form.back(
        "/access",
        "/access/sessions/end",
        ended.map(|()| done("The session is ended")),
    )
}

/// `POST /access/tokens/revoke`
pub(super) async fn revoke_token(form: Form) -> Response {
    let revoked = form.app.revoke_api_token(form.sent.get("token_id")).await;
    form.back(
        "/access",
        "/access/tokens/revoke",
        revoked.map(|()| done("The token is revoked")),
    )
}

/// `POST /access/agent-tokens`
pub(super) async fn new_agent_token(form: Form) -> Response {
    let made = make_agent_token(&form).await;
    form.back("/access", "/access/agent-tokens", made)
}

async fn make_agent_token(form: &Form) -> Result<FormAnswer, AppError> {
    let (cluster, days) = (form.sent.get("cluster").trim(), form.sent.get("days").trim());
    let days =
        match days {
            "" => None,
            days => Some(days.parse().map_err(|_| {
                AppError::usage(format!("{days:?} is no number of days"), "write 1 to 3650, or nothing")
            })?),
        };
    let made = form
        .app
        .create_token(
            form.sent.get("agent").trim(),
            Some(cluster).filter(|cluster| !cluster.is_empty()),
            days,
        )
        .await?;
    Ok(FormAnswer::Secret {
        kind: SecretKind::AgentToken,
        secret: made.token,
        whom: made.agent,
        until: made.expires_at,
    })
}

/// `POST /access/agent-tokens/revoke`
pub(super) async fn revoke_agent_token(form: Form) -> Response {
    let revoked = form.app.revoke_token(form.sent.get("token_id")).await;
    form.back(
        "/access",
        "/access/agent-tokens/revoke",
        revoked.map(|()| done("The token is revoked")),
    )
}
