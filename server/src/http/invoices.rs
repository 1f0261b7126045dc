//! Forms of invoices: entered and taken back, then back to the page. What does
//! not fit goes back with all that was written; nothing is lost.

use super::error::ApiError;
use super::observe::RequestId;
use crate::app::App;
use crate::app::invoices::InvoiceText;
use crate::error::AppError;
use axum::Extension;
use axum::extract::Form;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Redirect, Response};
use frontend::query::encode;
use serde::Deserialize;

/// Enters an invoice.
pub(super) async fn enter(
    Extension(app): Extension<App>,
    Extension(id): Extension<RequestId>,
    form: Result<Form<InvoiceText>, FormRejection>,
) -> Response {
    let text = match form {
        Ok(Form(text)) => text,
        Err(rejection) => return refused(&rejection, &id),
    };
    let wrong = match text.parse() {
        Err(finding) => finding.column.unwrap_or_default(),
        Ok(invoice) => match app.add_invoices(vec![invoice]).await {
            Ok(_) => return back(&text.period, ""),
            Err(AppError::Refused(_)) => "exists".to_owned(),
            Err(error) => return ApiError::of(&error, &id).plain(),
        },
    };
    let written = [
        ("number", &text.number),
        ("issuer", &text.issuer),
        ("period", &text.period),
        ("currency", &text.currency),
        ("net", &text.net),
        ("tax", &text.tax),
        ("date", &text.date),
        ("due", &text.due),
        ("wrong", &wrong),
    ];
    let written: String = written
        .iter()
        .map(|(name, value)| format!("&invoice_{name}={}", encode(value)))
        .collect();
    back(&text.period, &written)
}

#[derive(Deserialize)]
pub(super) struct Taken {
    number: String,
    #[serde(default)]
    issuer: String,
    #[serde(default)]
    period: String,
}

/// Takes an invoice back; one that is gone already is gone.
pub(super) async fn remove(
    Extension(app): Extension<App>,
    Extension(id): Extension<RequestId>,
    form: Result<Form<Taken>, FormRejection>,
) -> Response {
    let taken = match form {
        Ok(Form(taken)) => taken,
        Err(rejection) => return refused(&rejection, &id),
    };
    match app.remove_invoice(&taken.number, Some(&taken.issuer)).await {
        Ok(_) | Err(AppError::NotFound { .. }) => back(&taken.period, ""),
        Err(error) => ApiError::of(&error, &id).plain(),
    }
}

fn refused(rejection: &FormRejection, id: &RequestId) -> Response {
    ApiError::refused(rejection.status(), "bad_form", rejection.body_text(), id).plain()
}

/// The page of a month; of the newest when the month is none.
fn back(period: &str, written: &str) -> Response {
    let period = period.trim();
    let month = period.parse::<domain::BillingPeriod>().is_ok();
    let query = if month {
        format!("period={}", encode(period))
    } else {
        String::new()
    };
    Redirect::to(&format!("/reconciliation?{query}{written}#invoice")).into_response()
}
