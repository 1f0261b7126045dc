//! Plain forms, which work without scripts and with password managers, and what
//! came of them. A refused form comes back open, with all that was written and
//! what does not fit beside its field.

use leptos::prelude::*;
use wire::{FormAnswer, RoleInfo, SecretKind};

use crate::{format, words};

/// One form on a page.
pub(crate) struct Form<'a> {
    /// Id of the form; ids of its fields begin with it.
    pub(crate) id: String,
    /// Path it is sent to.
    pub(crate) action: &'static str,
    refused: Option<Refused<'a>>,
}

#[derive(Clone, Copy)]
struct Refused<'a> {
    field: Option<&'a str>,
    problem: &'a str,
    written: &'a [(String, String)],
}

/// A field of one line.
#[derive(Default)]
pub(crate) struct Field {
    /// Name it is sent under.
    pub(crate) name: &'static str,
    /// What is above it.
    pub(crate) label: &'static str,
    /// `text` when empty; else `password`, `number`, `date`.
    pub(crate) kind: &'static str,
    /// What a password manager should put in; `off` when empty.
    pub(crate) autocomplete: &'static str,
    /// What fits, below it.
    pub(crate) hint: &'static str,
    /// What is in it before anything was written.
    pub(crate) value: String,
    /// It may be empty.
    pub(crate) optional: bool,
    /// Id of a list of proposals.
    pub(crate) list: Option<&'static str>,
    /// Least and most of a number, or least length of a text.
    pub(crate) limits: (Option<u32>, Option<u32>),
}

impl<'a> Form<'a> {
    /// A form, with what came of it. `of` names what tells it from others that
    /// are sent to the same path.
    pub(crate) fn new(
        id: impl Into<String>,
        action: &'static str,
        answer: Option<&'a FormAnswer>,
        of: Option<(&str, &str)>,
    ) -> Self {
        let refused = match answer {
            Some(FormAnswer::Refused {
                form,
                field,
                problem,
                written,
            }) => {
                let this = of.is_none_or(|(name, value)| written.iter().any(|(at, is)| at == name && is == value));
                (form == action && this).then_some(Refused {
                    field: field.as_deref(),
                    problem,
                    written,
                })
            }
            _ => None,
        };
        Form {
            id: id.into(),
            action,
            refused,
        }
    }

    /// It came back.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    fn written(&self, name: &str) -> Option<String> {
        let mut written = self.refused?.written.iter();
        written.find(|(at, _)| at == name).map(|(_, value)| value.clone())
    }

    /// A choice of several was made.
    fn chose(&self, name: &str, value: &str) -> bool {
        let written = self.refused.map_or(&[][..], |refused| refused.written);
        written.iter().any(|(at, is)| at == name && is == value)
    }

    fn problem(&self, name: &str) -> Option<String> {
        let refused = self.refused.filter(|refused| refused.field == Some(name))?;
        Some(format!("{}.", refused.problem))
    }

    /// Ids of what describes a field, and what is wrong with it.
    fn about(&self, name: &str, hint: &'static str) -> (Option<String>, AnyView) {
        let (hint_id, wrong_id) = (format!("{}-{name}-hint", self.id), format!("{}-{name}-wrong", self.id));
        let problem = self.problem(name);
        let mut described = Vec::new();
        described.extend(problem.is_some().then(|| wrong_id.clone()));
        described.extend((!hint.is_empty()).then(|| hint_id.clone()));
        let below = view! {
            {problem.map(|problem| view! { <p class="wrong" id=wrong_id>{problem}</p> })}
            {(!hint.is_empty()).then(|| view! { <p class="hint" id=hint_id>{hint}</p> })}
        };
        let described = (!described.is_empty()).then(|| described.join(" "));
        (described, below.into_any())
    }

    /// A field of one line. Passwords never come back.
    pub(crate) fn field(&self, field: Field) -> AnyView {
        let id = format!("{}-{}", self.id, field.name);
        let kind = if field.kind.is_empty() { "text" } else { field.kind };
        let autocomplete = if field.autocomplete.is_empty() {
            "off"
        } else {
            field.autocomplete
        };
        let value = (kind != "password").then(|| self.written(field.name).unwrap_or(field.value));
        let invalid = self.problem(field.name).map(|_| "true");
        let (described, below) = self.about(field.name, field.hint);
        let (least, most) = field.limits;
        let number = kind == "number";
        // names of people and things are not to be mended by a keyboard
        let plain = (!number).then_some("none");
        view! {
            <div class="entry">
                <label for=id.clone()>{field.label}</label>
                <input id=id name=field.name type=kind value=value autocomplete=autocomplete required=!field.optional
                    autocapitalize=plain spellcheck=plain.map(|_| "false") list=field.list
                    min=least.filter(|_| number) max=most.filter(|_| number)
                    minlength=least.filter(|_| !number)
                    aria-invalid=invalid aria-describedby=described />
                {below}
            </div>
        }
        .into_any()
    }

    /// A choice of one: values with their labels.
    pub(crate) fn choice(
        &self,
        name: &'static str,
        label: &'static str,
        hint: &'static str,
        options: &[(String, String)],
    ) -> AnyView {
        let id = format!("{}-{name}", self.id);
        let written = self.written(name);
        let invalid = self.problem(name).map(|_| "true");
        let (described, below) = self.about(name, hint);
        let options: Vec<_> = options
            .iter()
            .map(|(value, label)| {
                let selected = written.as_ref() == Some(value);
                view! { <option value=value.clone() selected=selected>{label.clone()}</option> }
            })
            .collect();
        view! {
            <div class="entry">
                <label for=id.clone()>{label}</label>
                <select id=id name=name aria-invalid=invalid aria-describedby=described>{options}</select>
                {below}
            </div>
        }
        .into_any()
    }

    /// Roles, of which a token carries some. With one there is nothing to choose.
    pub(crate) fn roles(&self, roles: &[&RoleInfo]) -> AnyView {
        let (described, below) = self.about("role", "A token can do what these roles permit, and no more.");
        let boxes: Vec<_> = roles
            .iter()
            .map(|role| {
                let checked = roles.len() == 1 || self.chose("role", &role.key);
                view! {
                    <label class="check">
                        <input type="checkbox" name="role" value=role.key.clone() checked=checked />
                        {role.label.clone()}
                    </label>
                }
            })
            .collect();
        view! {
            <fieldset class="entry wide" aria-describedby=described>
                <legend>"Roles it carries"</legend>
                <div class="checks">{boxes}</div>
                {below}
            </fieldset>
        }
        .into_any()
    }

    /// The fields within the form, and its button.
    pub(crate) fn view(&self, hidden: &[(&'static str, &str)], fields: Vec<AnyView>, button: &'static str) -> AnyView {
        view! {
            <form class="form" id=self.id.clone() method="post" action=self.action>
                {kept(hidden)}
                {fields}
                <div class="send"><button class="btn primary" type="submit">{button}</button></div>
            </form>
        }
        .into_any()
    }
}

/// Fields nobody sees.
fn kept(hidden: &[(&'static str, &str)]) -> Vec<AnyView> {
    hidden
        .iter()
        .map(|(name, value)| view! { <input type="hidden" name=*name value=(*value).to_owned() /> }.into_any())
        .collect()
}

/// A button that does one thing to one row; `whom` completes its name for those
/// who hear it.
pub(crate) fn button(
    action: &'static str,
    hidden: &[(&'static str, &str)],
    label: &'static str,
    whom: &str,
) -> AnyView {
    view! {
        <form class="act" method="post" action=action>
            {kept(hidden)}
            <button class="btn small" type="submit">{label}<span class="vh">{format!(" {whom}")}</span></button>
        </form>
    }
    .into_any()
}

/// What came of the form that was sent before this page, on top of it. `at` is
/// the id of the form that came back, when it is on the page.
pub(crate) fn answer(answer: Option<&FormAnswer>, at: Option<&str>) -> Option<AnyView> {
    let view = match answer? {
        FormAnswer::Done { what } => view! {
            <p class="banner done" role="status"><b>"Done. "</b>{format!("{what}.")}</p>
        }
        .into_any(),
        FormAnswer::Secret {
            kind,
            secret,
            whom,
            until,
        } => made(*kind, secret, whom, until.as_deref()),
        FormAnswer::Refused { problem, .. } => {
            let to = at.map(|id| view! { <a href=format!("#{id}")>"Go to the form"</a> });
            view! {
                <p class="banner bad" role="alert"><b>"Nothing was changed. "</b>{format!("{problem}. ")}{to}</p>
            }
            .into_any()
        }
    };
    Some(view)
}

/// A secret that was just made. It is plain text, to be copied by hand.
fn made(kind: SecretKind, secret: &str, whom: &str, until: Option<&str>) -> AnyView {
    let (title, what, name) = match kind {
        SecretKind::Link => (
            format!("One-time link for {whom}"),
            "Hand it over by a way you trust. It signs in once; then they set a password.",
            "One-time link",
        ),
        SecretKind::ApiToken => (
            format!("Token {whom}"),
            "Put it where the program keeps its secrets, and send it as \"Authorization: Bearer\" with each request.",
            "Token",
        ),
        SecretKind::AgentToken => (
            format!("Token of agent {whom}"),
            "Put it into the agent's secret in the cluster.",
            "Token of the agent",
        ),
    };
    let end = until.map_or("It has no end.".to_owned(), |at| {
        format!("It works until {}.", format::instant(at))
    });
    view! {
        <section class="secret" role="status" aria-label=name>
            <h2>{title}</h2>
            <p>"Copy it now: it is shown this once and cannot be shown again. "{what}" "{end}</p>
            <p><code class="once" tabindex="0">{secret.to_owned()}</code></p>
        </section>
    }
    .into_any()
}

/// Options of the roles.
pub(crate) fn role_options(roles: &[RoleInfo]) -> Vec<(String, String)> {
    roles
        .iter()
        .map(|role| (role.key.clone(), role.label.clone()))
        .collect()
}

/// Options of the kinds of reach.
pub(crate) fn reach_options() -> Vec<(String, String)> {
    ["all", "legal_entity", "tenant"]
        .map(|kind| (kind.to_owned(), words::reach_kind(kind)))
        .to_vec()
}
