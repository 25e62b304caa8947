//! GitHub's `push` -> a row in `pushes`: a marker of what was at the head of a branch, and since when.

use shared::handlers::{Context, Handler, HandlerError};

use crate::events::Push;

/// Records a push. The same push under another delivery id changes nothing.
pub struct RecordPush;

impl Handler for RecordPush {
    type Event = Push;
    const NAME: &'static str = "record_push";

    async fn handle(&self, push: Push, context: &mut Context<'_>) -> Result<(), HandlerError> {
        const INSERT: &str = "
            INSERT INTO pushes (repository, branch, head_commit, commits, pusher, pushed_at, execution_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (repository, branch, pushed_at, head_commit) DO NOTHING";
        let execution_id = context.execution_id();
        let Push { repository, branch, head_commit, commits, pusher, pushed_at } = &push;
        context.execute(INSERT, &[repository, branch, head_commit, commits, pusher, pushed_at, &execution_id]).await?;
        Ok(())
    }
}
