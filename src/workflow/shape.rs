//! A workflow's version: a hash of its shape. Stored runs carry it, so that nobody resumes a run with tasks that are not
//! the ones it was started with, and limits can change without making a new version.

use super::definition::{TaskDefinition, WorkflowDefinition};

impl WorkflowDefinition {
    /// Hex BLAKE3 of the shape: names, parents, fan-out, on-failure task and input type. Limits, pools, concurrency, the
    /// description and the order of lists are not part of it.
    pub fn shape_hash(&self) -> String {
        let mut shape = blake3::Hasher::new();
        // Each part ends with a byte that no name holds, so that different shapes are different bytes.
        let mut part = |kind: &str, text: &str| {
            shape.update(kind.as_bytes()).update(b"=").update(text.as_bytes()).update(b"\n");
        };
        part("workflow", &self.name);
        part("input", &self.input);
        let mut tasks: Vec<&TaskDefinition> = self.tasks.iter().collect();
        tasks.sort_by(|a, b| a.name.cmp(&b.name));
        for task in tasks {
            part("task", &task.name);
            let mut parents: Vec<&String> = task.parents.iter().collect();
            parents.sort();
            for parent in parents {
                part("parent", parent);
            }
            if let Some(child) = &task.fan_out {
                part("fan_out", child);
            }
        }
        if let Some(task) = &self.on_failure {
            part("on_failure", &task.name);
        }
        shape.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Definitions, default_pool_sizes};
    use super::*;

    fn pipeline() -> WorkflowDefinition {
        Definitions::embedded(default_pool_sizes(2, 1)).unwrap().workflow("DiarizationPipeline").unwrap().clone()
    }

    fn small() -> WorkflowDefinition {
        let text = "name='Small'\ndescription='d'\ninput='I'\n[defaults]\nexecution_timeout='2s'\nstall_timeout='1s'\n\
                    schedule_timeout='1s'\nretries=0\nbackoff_factor=1\nbackoff_max='1s'\n\
                    [[task]]\nname='a'\npool='io'\n[[task]]\nname='b'\npool='io'\nparents=['a']\n[[task]]\nname='c'\n\
                    pool='io'\nparents=['b','a']\n[on_failure]\nname='f'\npool='io'\n";
        Definitions::parse(&[("small.toml", text)], default_pool_sizes(1, 1))
            .unwrap()
            .workflow("Small")
            .unwrap()
            .clone()
    }

    /// If this fails, the way of hashing has changed: runs stored by released versions would look like runs of another shape.
    #[test]
    fn the_hash_of_a_shape_stays_the_same_from_version_to_version() {
        assert_eq!(small().shape_hash(), "d253ccfc3b550a5c8b097f9b2e1e682ef724d11cbc464f82b106c62072080d65");
    }

    #[test]
    fn limits_pools_texts_and_order_are_not_part_of_the_shape() {
        let before = pipeline();
        let mut after = before.clone();
        after.description = "other".to_owned();
        after.concurrency = None;
        after.input_schema = None;
        after.tasks.reverse();
        for task in &mut after.tasks {
            task.limits.retries = 0;
            task.limits.execution_timeout = Duration::from_secs(1);
            task.pool = super::super::Pool::Speech;
            task.parents.reverse();
        }
        assert_eq!(before.shape_hash(), after.shape_hash());
    }

    #[test]
    fn everything_else_is() {
        let before = pipeline();
        let changes: [fn(&mut WorkflowDefinition); 7] = [
            |w| w.name.push('2'),
            |w| w.input.push('2'),
            |w| w.tasks[0].name.push('2'),
            |w| w.tasks[1].parents.clear(),
            |w| w.tasks[2].fan_out = None,
            |w| w.on_failure = None,
            |w| drop(w.tasks.pop()),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut after = before.clone();
            change(&mut after);
            assert_ne!(before.shape_hash(), after.shape_hash(), "change {index}");
        }
    }
}
