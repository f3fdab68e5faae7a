"""
What the support desk knows of its tickets, as 40 heuristics.

The tickets are synthetic (see README.md), and two of the heuristics are planted faults:
`rough_words` takes the islands' friendly speech for abuse, and `server_code` goes stale when a
release gives the codes E5xx to declined cards. `precision` is what the owner believes.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from labelpress import column, heuristic, keywords, lookup, regex

# -- billing ----------------------------------------------------------------------------------

invoice_words = keywords(
    ["invoice", "receipt", "vat number", "account statement"],
    label="billing",
    column="body",
    owner="finance",
    why="names a document that only the finance desk writes",
    precision=0.9,
)
charge_words = keywords(
    ["charged twice", "overcharged", "unpaid", "renewed itself"],
    label="billing",
    column="body",
    owner="finance",
    why="a charge that the customer does not accept",
    precision=0.95,
)
refund_words = keywords(
    ["refund", "money back", "chargeback"],
    label="billing",
    column="body",
    owner="finance",
    why="wants money back",
    precision=0.9,
)
card_words = keywords(
    ["credit card", "direct debit", "enter my card", "order form"],
    label="billing",
    column="body",
    owner="payments",
    why="a payment that does not go through",
    precision=0.9,
)
price_words = keywords(
    ["price increase", "discount", "tariff", "sales desk"],
    label="billing",
    column="body",
    owner="sales",
    why="about what it costs rather than how it works",
    precision=0.85,
)
amount = regex(
    r"\b\d+\.\d\d EUR\b",
    label="billing",
    column="body",
    owner="finance",
    why="names a sum of money",
    precision=0.9,
)
invoice_number = regex(
    r"\bINV-\d{5}\b",
    label="billing",
    column="body",
    owner="finance",
    why="quotes an invoice by its number",
    precision=0.95,
)
cancelling = regex(
    r"(?i)cancel.{0,20}(subscription|plan|contract)",
    label="billing",
    column="body",
    owner="sales",
    why="contracts are ended by the finance desk",
    precision=0.9,
)
payment_subject = heuristic(
    pl.col("subject").str.contains("(?i)payment|invoice|refund|charged|subscription|cost"),
    label="billing",
    owner="triage",
    why="the subject line is about money",
    precision=0.85,
)
bank_deadline = heuristic(
    pl.col("body").str.contains("(?i)our bank wants|accountant|next payment"),
    label="billing",
    owner="finance",
    why="banks and accountants write because of bills",
    precision=0.8,
)

# -- outage -----------------------------------------------------------------------------------

down_words = keywords(
    ["is down", "unreachable", "outage", "status page"],
    label="outage",
    column="body",
    owner="operations",
    why="says in so many words that the service does not run",
    precision=0.95,
)
timeout_words = keywords(
    ["timed out", "keeps loading", "no response", "stays white"],
    label="outage",
    column="body",
    owner="operations",
    why="waits for a server that does not answer",
    precision=0.9,
)
connection_words = keywords(
    ["connection drops", "disconnects", "synchronising fails", "late or not at all"],
    label="outage",
    column="body",
    owner="operations",
    why="the line breaks while it is in use",
    precision=0.9,
)
everyone = keywords(
    ["all our users", "whole office", "nobody can", "for everybody here"],
    label="outage",
    column="body",
    owner="operations",
    why="many people at once: a fault of ours, not of one computer",
    precision=0.85,
)
loss_words = keywords(
    ["lose money", "restarting does not", "lost data", "did not run"],
    label="outage",
    column="body",
    owner="operations",
    why="damage that goes on while we read this",
    precision=0.85,
)
server_code = regex(
    r"\bE5\d\d\b",
    label="outage",
    column="body",
    owner="operations",
    why="server errors carry the codes E500 to E599",
    precision=0.95,
)
http_status = regex(
    r"\b50[234] (Bad Gateway|Service Unavailable|Gateway Timeout)",
    label="outage",
    column="body",
    owner="operations",
    why="the load balancer's words when no server answers",
    precision=0.98,
)
began_at = regex(
    r"(?i)(since|began at) \d{1,2}:\d\d",
    label="outage",
    column="body",
    owner="operations",
    why="a fault begins at some minute",
    precision=0.9,
)
urgent_subject = heuristic(
    pl.col("subject").str.starts_with("URGENT"),
    label="outage",
    owner="triage",
    why="customers write this when work has stopped",
    precision=0.9,
)
broken_subject = heuristic(
    pl.col("subject").str.contains(r"(?i)is down|very slow|error E\d"),
    label="outage",
    owner="triage",
    why="the subject line describes a fault",
    precision=0.9,
)

# -- howto ------------------------------------------------------------------------------------

asks_how = regex(
    r"(?i)\bhow (do|can) (i|we)\b",
    label="howto",
    column="body",
    owner="education",
    why="asks how something is done",
    precision=0.95,
)
asks_where = keywords(
    ["where can i find", "is there a way", "is it possible to", "looking for the place"],
    label="howto",
    column="body",
    owner="education",
    why="supposes that it works and only asks where",
    precision=0.9,
)
manual_words = keywords(
    ["tutorial", "documentation", "manual", "guide", "step by step"],
    label="howto",
    column="body",
    owner="education",
    why="wants to read about it",
    precision=0.85,
)
settings_words = keywords(
    ["set up", "settings page", "permission", "enable the", "two-factor"],
    label="howto",
    column="body",
    owner="education",
    why="about a setting that the customer can change alone",
    precision=0.85,
)
transfer_words = keywords(
    ["spreadsheet", "csv file", "import contacts", "calendar"],
    label="howto",
    column="body",
    owner="education",
    why="data on their way in or out",
    precision=0.9,
)
password_words = keywords(
    ["reset my password", "change my email", "invite a colleague"],
    label="howto",
    column="body",
    owner="accounts",
    why="the three tasks of the accounts page",
    precision=0.95,
)
connects = regex(
    r"(?i)\b(connect|integrate|sync) \w+ with\b",
    label="howto",
    column="body",
    owner="education",
    why="wants to join two products",
    precision=0.9,
)
question_subject = heuristic(
    pl.col("subject").str.contains("(?i)^how |^where |guidance|first steps|^connecting "),
    label="howto",
    owner="triage",
    why="the subject line is a question about use",
    precision=0.9,
)
newcomer = heuristic(
    (pl.col("age_days") < 14) & pl.col("body").str.contains(r"\?"),
    label="howto",
    owner="education",
    why="in the first two weeks most questions are about first steps",
    precision=0.7,
)

# -- abuse ------------------------------------------------------------------------------------

rough_words = keywords(
    ["bloody", "wicked", "daft", "stupid", "idiots"],
    label="abuse",
    column="body",
    owner="trust-and-safety",
    why="insults; the list was written from tickets of one region",
    precision=0.9,
)
threat_words = keywords(
    ["regret", "i will find you", "where your office is", "leave me alone"],
    label="abuse",
    column="body",
    owner="trust-and-safety",
    why="threatens somebody",
    precision=0.95,
)
fraud_words = keywords(
    ["phishing", "pretends to be", "scam", "stolen accounts", "fake login"],
    label="abuse",
    column="body",
    owner="trust-and-safety",
    why="reports a fraud",
    precision=0.95,
)
harassment_words = keywords(
    ["harassed", "hate speech", "spam account", "insulting", "screenshots"],
    label="abuse",
    column="body",
    owner="trust-and-safety",
    why="reports a user who pursues others",
    precision=0.9,
)


@heuristic(
    label="abuse",
    owner="trust-and-safety",
    why="written in capitals, and not because the service is down",
    precision=0.7,
)
def shouting(row: Any) -> bool:
    """Vote where the body is in capitals and the subject is not urgent."""
    return row.body.isupper() and not row.subject.startswith("URGENT")


# -- other ------------------------------------------------------------------------------------

business_words = keywords(
    ["partnership", "reseller", "sponsor", "press inquiry", "conference"],
    label="other",
    column="body",
    owner="sales",
    why="wants to do business with us, not to use the product",
    precision=0.9,
)
job_words = keywords(
    ["job opening", "internship", "my cv", "thesis"],
    label="other",
    column="body",
    owner="people",
    why="applies for something",
    precision=0.95,
)
wish_words = keywords(
    ["feature request", "a suggestion", "roadmap", "only an idea"],
    label="other",
    column="body",
    owner="product",
    why="about what the product might become",
    precision=0.9,
)


@heuristic(
    owner="triage",
    why="friendly and without a figure: nothing is broken and nothing is owed",
    precision=0.8,
)
def kind_words(row: Any) -> str | None:
    """Vote `other` for praise and farewells without a digit."""
    text = row.body.lower()
    kind = "great work" in text or "impressed" in text or "newsletter" in text or "lovely" in text
    if kind and not any(mark.isdigit() for mark in text):
        return "other"
    return None


# -- several classes --------------------------------------------------------------------------

canned_subject = lookup(
    "tables/canned_subjects.csv",
    column="subject",
    owner="mobile",
    why="the app offers these subject lines to choose from",
    precision=0.85,
)
topic = column(
    "topic",
    values={
        "payment": "billing",
        "technical": "outage",
        "question": "howto",
        "report": "abuse",
        "misc": "other",
    },
    owner="triage",
    why="what the customer chose on the web form",
    precision=0.8,
)
