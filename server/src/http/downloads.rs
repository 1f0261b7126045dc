//! The Costs page as a file: every row, exactly as shown.

use super::api::Ask;
use super::error::ApiError;
use crate::app::reports::Rows;
use crate::error::AppError;
use crate::export;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use frontend::query::{parse_audit, parse_converted, parse_costs};
use wire::CostsPage;

const CSV: &str = "text/csv; charset=utf-8";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

pub(super) async fn csv(ask: Ask) -> Response {
    match costs(&ask).await {
        Ok(page) => {
            let headers = attachment(CSV, &export::costs_file_name(&page.report, "csv"));
            (headers, export::csv::costs(&page.report, &page.options)).into_response()
        }
        Err(error) => error.plain(),
    }
}

pub(super) async fn xlsx(ask: Ask) -> Response {
    let page = match costs(&ask).await {
        Ok(page) => page,
        Err(error) => return error.plain(),
    };
    let headers = attachment(XLSX, &export::costs_file_name(&page.report, "xlsx"));
    let written = ask
        .app
        .heavy("cannot write the workbook", move || {
            export::xlsx::costs(&page.report, &page.options)
        })
        .await;
    match written {
        Ok(book) => (headers, book).into_response(),
        Err(error) => ApiError::of(&error, &ask.request_id).plain(),
    }
}

pub(super) async fn converted(ask: Ask) -> Response {
    let query = match parse_converted(&ask.query) {
        Ok(query) => query,
        Err(error) => return ApiError::of_query(&error, &ask.request_id).plain(),
    };
    match ask.app.converted_page(&query).await {
        Ok(page) => {
            let name = format!("costs-{}-in-one-currency.csv", page.context.period);
            (attachment(CSV, &name), export::csv::converted(&page)).into_response()
        }
        Err(error) => ApiError::of(&error, &ask.request_id).plain(),
    }
}

/// The audit log as CSV: every entry that fits, the newest first.
pub(super) async fn audit(ask: Ask) -> Response {
    let search = match parse_audit(&ask.query) {
        Ok(search) => search,
        Err(error) => return ApiError::of_query(&error, &ask.request_id).plain(),
    };
    match ask.app.audit_lines(&search).await {
        Ok(lines) => (attachment(CSV, "audit.csv"), export::csv::audit(&lines)).into_response(),
        Err(error) => ApiError::of(&error, &ask.request_id).plain(),
    }
}

async fn costs(ask: &Ask) -> Result<CostsPage, ApiError> {
    let query = parse_costs(&ask.query).map_err(|error| ApiError::of_query(&error, &ask.request_id))?;
    let page: Result<CostsPage, AppError> = ask.app.costs(&query, Rows::All).await;
    page.map_err(|error| ApiError::of(&error, &ask.request_id))
}

fn attachment(kind: &'static str, name: &str) -> [(HeaderName, String); 2] {
    [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ]
}
