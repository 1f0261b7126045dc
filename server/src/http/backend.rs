//! The pages' door to the use cases.

use super::error::page_error;
use super::observe::RequestId;
use super::pages::Denied;
use crate::app::App;
use crate::app::access::Caller;
use crate::app::explain::{Lines, Within};
use crate::app::reports::Rows;
use crate::error::AppError;
use async_trait::async_trait;
use frontend::backend::{Backend, RulesQuery};
use frontend::query::PageQuery;
use wire::{
    AccessPage, AccountPage, AuditPage, AuditSearch, ClustersPage, CommitmentsPage, ConvertedPage, ConvertedQuery,
    CostsPage, CostsQuery, DeliveryChanges, ExplainPage, ExplainQuery, OverviewPage, PageError, ReconciliationPage,
    RulesPage, SignInPage, SignInQuery, Site, SourcesPage,
};

/// Answers one request's questions; what breaks is logged under its id.
pub(super) struct Answers {
    pub(super) app: App,
    pub(super) request_id: RequestId,
    /// Who is signed in.
    pub(super) caller: Option<Caller>,
    /// Set where the reader may not see the page.
    pub(super) denied: Option<Denied>,
}

impl Answers {
    async fn site_now(&self) -> Result<Site, AppError> {
        let mut site = self.app.site().await?;
        if let Some(caller) = &self.caller {
            site.reader = Some(self.app.reader(caller).await?);
        }
        Ok(site)
    }

    /// Who is signed in; `admit` lets nobody else get to where this is asked.
    fn signed_in(&self) -> Result<&Caller, PageError> {
        self.caller.as_ref().ok_or_else(|| PageError::NotFound {
            what: "account that is signed in".to_owned(),
        })
    }

    /// The app, unless the page is denied.
    fn admitted(&self) -> Result<&App, PageError> {
        match &self.denied {
            None => Ok(&self.app),
            Some(denied) => Err(PageError::Forbidden {
                what: denied.what.to_owned(),
                who: denied.who.clone(),
            }),
        }
    }
}

#[async_trait]
impl Backend for Answers {
    async fn site(&self) -> Site {
        match self.site_now().await {
            Ok(site) => site,
            Err(error) => {
                // the page itself will say what is wrong
                page_error(&error, &self.request_id);
                Site {
                    company: None,
                    synthetic: false,
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    reader: None,
                }
            }
        }
    }

    async fn overview(&self, query: PageQuery) -> Result<OverviewPage, PageError> {
        self.admitted()?
            .overview(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn costs(&self, query: CostsQuery) -> Result<CostsPage, PageError> {
        self.admitted()?
            .costs(&query, Rows::Page)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn converted(&self, query: ConvertedQuery) -> Result<ConvertedPage, PageError> {
        self.admitted()?
            .converted_page(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn clusters(&self, query: PageQuery) -> Result<ClustersPage, PageError> {
        self.admitted()?
            .clusters_page(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn commitments(&self, query: PageQuery) -> Result<CommitmentsPage, PageError> {
        self.admitted()?
            .commitments_page(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn reconciliation(&self, query: PageQuery) -> Result<ReconciliationPage, PageError> {
        self.admitted()?
            .reconciliation(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn explain(&self, id: String, query: ExplainQuery) -> Result<ExplainPage, PageError> {
        self.admitted()?
            .explain(&id, Lines::Page(query.page), &Within::of(&query))
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn rules(&self, query: RulesQuery) -> Result<RulesPage, PageError> {
        self.admitted()?
            .rules_page(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn delivery(&self, id: String) -> Result<DeliveryChanges, PageError> {
        self.admitted()?
            .delivery_changes(&id, None, Rows::Page)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn sources(&self, query: PageQuery) -> Result<SourcesPage, PageError> {
        self.admitted()?
            .sources_page(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn sign_in(&self, query: SignInQuery) -> Result<SignInPage, PageError> {
        self.app
            .sign_in_page(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn access(&self, note: Option<String>) -> Result<AccessPage, PageError> {
        self.admitted()?
            .access_page(self.signed_in()?, note.as_deref())
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn account(&self, note: Option<String>) -> Result<AccountPage, PageError> {
        self.admitted()?
            .account_page(self.signed_in()?, note.as_deref())
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn audit(&self, search: AuditSearch) -> Result<AuditPage, PageError> {
        self.admitted()?
            .audit_page(&search)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }
}
