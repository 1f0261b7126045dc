//! The one door to the data: the frontend owns this trait, the server
//! implements it and provides an `Arc<dyn Backend>` through context.

use async_trait::async_trait;
use wire::{
    AccessPage, AccountPage, AuditPage, AuditSearch, ClustersPage, CommitmentsPage, ConvertedPage, ConvertedQuery,
    CostsPage, CostsQuery, DeliveryChanges, ExplainPage, ExplainQuery, OverviewPage, PageError, ReconciliationPage,
    RulesPage, SignInPage, SignInQuery, Site, SourcesPage,
};

use crate::query::PageQuery;

/// What the pages ask for. Each method answers a whole page in one call and
/// must not return more than the reader who asks may see.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Whose costs these are. Asked on every page, error pages too, so it
    /// never fails and is cheap.
    async fn site(&self) -> Site;

    /// How are we doing this month?
    async fn overview(&self, query: PageQuery) -> Result<OverviewPage, PageError>;

    /// Who and what costs how much?
    async fn costs(&self, query: CostsQuery) -> Result<CostsPage, PageError>;

    /// The same in one currency.
    async fn converted(&self, query: ConvertedQuery) -> Result<ConvertedPage, PageError>;

    /// How well do we use what we pay for?
    async fn clusters(&self, query: PageQuery) -> Result<ClustersPage, PageError>;

    /// What did we commit to, and how well is it used?
    async fn commitments(&self, query: PageQuery) -> Result<CommitmentsPage, PageError>;

    /// Does it add up to the invoice?
    async fn reconciliation(&self, query: PageQuery) -> Result<ReconciliationPage, PageError>;

    /// Where does the figure with this id come from?
    async fn explain(&self, id: String, query: ExplainQuery) -> Result<ExplainPage, PageError>;

    /// Who pays for what, from when? The money is about the query's period.
    async fn rules(&self, query: RulesQuery) -> Result<RulesPage, PageError>;

    /// Is the data in, and whole?
    async fn sources(&self, query: PageQuery) -> Result<SourcesPage, PageError>;

    /// What did the delivery with this id change?
    async fn delivery(&self, id: String) -> Result<DeliveryChanges, PageError>;

    /// How can one sign in?
    async fn sign_in(&self, query: SignInQuery) -> Result<SignInPage, PageError>;

    /// Who may see and do what? `note` names what is to be told once, of the
    /// form that was sent before.
    async fn access(&self, note: Option<String>) -> Result<AccessPage, PageError>;

    /// Who am I here? `note` as of [`Backend::access`].
    async fn account(&self, note: Option<String>) -> Result<AccountPage, PageError>;

    /// Who did what?
    async fn audit(&self, search: AuditSearch) -> Result<AuditPage, PageError>;
}

/// What the Rules page is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesQuery {
    /// Period, basis and currency of the money beside the rules.
    pub page: PageQuery,
    /// The version shown; `None` for the one in force.
    pub version: Option<String>,
}
