//! The backend as a whole, on meetings that a person can read.

use super::*;
use crate::language::scripts::{fixture, script};
use crate::transcript::ActionItem;

fn page(meeting: &MeetingText) -> String {
    let topics = ExtractiveBackend::topics_now(meeting);
    let summary = ExtractiveBackend::summary_now(meeting, &topics);
    let items = ExtractiveBackend::action_items_now(meeting);
    let mut page = format!("title: {}\n\nshort: {}\n", ExtractiveBackend::title_now(meeting, &topics), summary.short);
    for topic in &topics {
        page += &format!("\ntopic {:.3} + {:.3}: {}\n  {}\n", topic.start, topic.duration, topic.title, topic.summary);
    }
    page += &format!("\nlong:\n{}\n\n", summary.long);
    for decision in &items.decisions {
        page += &format!("decision: {decision}\n");
    }
    for ActionItem { task, assignee, deadline } in &items.next_steps {
        page += &format!(
            "next step: {task} | {} | {}\n",
            assignee.as_deref().unwrap_or("-"),
            deadline.as_deref().unwrap_or("-")
        );
    }
    page
}

#[test]
fn show() {
    for name in ["standup", "edge", "rejoin", "wild"] {
        println!("===== {name}\n{}", page(&fixture(name)));
    }
    for text in [include_str!("../testdata/incident_review.txt"), include_str!("../testdata/product_planning.txt")] {
        println!("===== script\n{}", page(&script(text, "en")));
    }
}
