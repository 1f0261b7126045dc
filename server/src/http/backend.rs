//! The pages' door to the use cases.

use super::error::page_error;
use super::observe::RequestId;
use crate::app::App;
use crate::app::explain::{Lines, Within};
use crate::app::reports::Rows;
use async_trait::async_trait;
use frontend::backend::{Backend, RulesQuery};
use frontend::query::PageQuery;
use wire::{
    ClustersPage, CommitmentsPage, ConvertedPage, ConvertedQuery, CostsPage, CostsQuery, DeliveryChanges, ExplainPage,
    ExplainQuery, OverviewPage, PageError, ReconciliationPage, RulesPage, Site, SourcesPage,
};

/// Answers one request's questions; what breaks is logged under its id.
pub(super) struct Answers {
    pub(super) app: App,
    pub(super) request_id: RequestId,
}

#[async_trait]
impl Backend for Answers {
    async fn site(&self) -> Site {
        match self.app.site().await {
            Ok(site) => site,
            Err(error) => {
                // the page itself will say what is wrong
                page_error(&error, &self.request_id);
                Site {
                    company: None,
                    synthetic: false,
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                }
            }
        }
    }

    async fn overview(&self, query: PageQuery) -> Result<OverviewPage, PageError> {
        self.app
            .overview(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn costs(&self, query: CostsQuery) -> Result<CostsPage, PageError> {
        self.app
            .costs(&query, Rows::Page)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn converted(&self, query: ConvertedQuery) -> Result<ConvertedPage, PageError> {
        self.app
            .converted_page(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn clusters(&self, query: PageQuery) -> Result<ClustersPage, PageError> {
        self.app
            .clusters_page(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn commitments(&self, query: PageQuery) -> Result<CommitmentsPage, PageError> {
        self.app
            .commitments_page(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn reconciliation(&self, query: PageQuery) -> Result<ReconciliationPage, PageError> {
        self.app
            .reconciliation(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn explain(&self, id: String, query: ExplainQuery) -> Result<ExplainPage, PageError> {
        self.app
            .explain(&id, Lines::Page(query.page), &Within::of(&query))
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn rules(&self, query: RulesQuery) -> Result<RulesPage, PageError> {
        self.app
            .rules_page(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn delivery(&self, id: String) -> Result<DeliveryChanges, PageError> {
        self.app
            .delivery_changes(&id, None, Rows::Page)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }

    async fn sources(&self, query: PageQuery) -> Result<SourcesPage, PageError> {
        self.app
            .sources_page(&query)
            .await
            .map_err(|error| page_error(&error, &self.request_id))
    }
}
