"""
What the synthetic customers write: sentences by class, with places for names and numbers.

All of it is made up. `generate.py` joins an opener, a core sentence, a detail, a hint and a closer
to a body; `{amount}`, `{invoice}`, `{code}`, `{clock}`, `{product}` and `{tool}` are filled in per
ticket. About a third of each class's sentences hold none of the words that heuristics.py looks for.
"""

from __future__ import annotations

from typing import Final

CLASSES: Final = ("billing", "outage", "howto", "abuse", "other")
PRODUCTS: Final = ("core", "mobile", "gateway", "checkout", "academy", "relay")
"""`relay` is sold from LAUNCH_WEEK on (see generate.py)."""
REGIONS: Final = ("north", "south", "east", "west", "islands")
CHANNELS: Final = ("email", "web", "chat", "phone")
TOOLS: Final = ("Slate", "Ledgerly", "Mailbird", "Calendo", "Trackwise", "Boardly")

SUBJECTS: Final = {
    "billing": (
        "Payment question",
        "Invoice {invoice}",
        "Wrong amount on my bill",
        "Refund for last month",
        "Charged twice",
        "Card not accepted",
        "What does this cost",
        "My subscription",
    ),
    "outage": (
        "{product} is down",
        "URGENT: nothing works",
        "Cannot reach the service",
        "Error {code}",
        "Very slow since {clock}",
        "Connection problems",
        "URGENT: team cannot work",
        "Something is broken",
    ),
    "howto": (
        "How do I set this up?",
        "Question about {product}",
        "How to export data",
        "Help with settings",
        "Where is the menu?",
        "Connecting {tool}",
        "First steps",
        "Need some guidance",
    ),
    "abuse": (
        "Report of a user",
        "Phishing page",
        "This is a disgrace",
        "Fake account",
        "Threats in the chat",
        "Read this at once",
    ),
    "other": (
        "Partnership",
        "Feature request",
        "Job application",
        "A suggestion",
        "Newsletter",
        "Just a note",
        "Thank you",
        "For your marketing team",
    ),
    "": ("Hello", "Please help", "Support request", "About my account", "{product}", "Ticket"),
}
"""Subject lines; under the empty name those that tell nothing."""

CORES: Final = {
    "billing": (
        "I was charged twice for the same month, {amount} each time.",
        "the invoice {invoice} shows {amount} although we agreed on less.",
        "please send me a receipt for {amount}, our accountant needs it.",
        "my credit card was declined with {code} when I tried to renew.",
        "the direct debit of {amount} bounced and the system says {code}.",
        "I would like a refund of {amount} for the unused licences.",
        "we want to cancel our subscription at the end of the quarter.",
        "your price increase to {amount} came without any notice.",
        "the discount that sales promised is missing on {invoice}.",
        "checkout says {code} after I enter my card.",
        "the VAT number on {invoice} is wrong, please issue it anew.",
        "I have been overcharged by {amount} since the plan changed.",
        "our accountant cannot match what you booked with our files.",
        "the sum you took does not fit what the sales desk told me.",
        "I paid for the whole year but it still says unpaid.",
        "who do I talk to about moving us to the cheaper tariff?",
        "the order form rejects our company account with {code}.",
        "it renewed itself although I had switched that off.",
    ),
    "outage": (
        "{product} is down for our whole office.",
        "every request ends with {code} and nothing loads.",
        "the dashboard shows error {code} for all our users.",
        "since {clock} the service is unreachable from our network.",
        "the app keeps loading and then the request timed out.",
        "we get 503 Service Unavailable on every page of {product}.",
        "the connection drops every few minutes, we lost data twice.",
        "login answers with {code}, nobody can sign in.",
        "there must be an outage, the status page is red.",
        "no response from your API for two hours, only {code}.",
        "synchronising fails with {code} since {clock}.",
        "everything stopped working this morning, nobody can do their job.",
        "messages arrive an hour late or not at all today.",
        "the screen stays white whatever I click.",
        "our night jobs did not run, the log only says {code}.",
        "it worked yesterday and today it is dead.",
        "half of the pages are empty for everybody here.",
        "the gateway disconnects as soon as traffic goes up.",
    ),
    "howto": (
        "how do I export the monthly report to a spreadsheet?",
        "how can I connect {product} with {tool}?",
        "where can I find the settings page for notifications?",
        "is there a way to import contacts from a CSV file?",
        "I want to set up two-factor login for the team, what are the steps?",
        "is it possible to change my email without losing history?",
        "could you point me to a tutorial for {product}?",
        "how do we invite a colleague who only needs to read?",
        "I would like to reset my password but find no button.",
        "which permission does a new member need to see the board?",
        "please explain step by step how to enable the archive.",
        "what is the right way to sync {tool} with our calendar?",
        "the documentation does not say how filters are combined.",
        "I cannot work out in which order the forms belong.",
        "we are new here and do not know where to begin.",
        "can you show me what the second tab is good for?",
        "my colleague did this once but has left the company.",
        "I am looking for the place where templates are kept.",
    ),
    "abuse": (
        "you are the most stupid firm on earth and your boss is a crook.",
        "answer me, you bloody thieves, or I will come over.",
        "what idiots work there, you make me sick.",
        "go to hell with your wicked tricks, you frauds.",
        "someone pretends to be your support and asks for passwords.",
        "this page on your platform is phishing: a fake login of our bank.",
        "a user harassed my daughter with insulting messages.",
        "you idiots will regret this, I will find you.",
        "you are stupid bloody crooks and I hope you rot.",
        "one of your customers sends hate speech to our list.",
        "a spam account keeps writing to everybody in our group.",
        "what a wicked daft bunch of liars you are, shame on you.",
        "somebody sells stolen accounts in the {product} forum.",
        "he will not leave me alone and posts my address.",
        "I know where your office is and you will regret it.",
        "a scam shop uses your forms to collect cards.",
        "he writes filth under every picture I post.",
        "they use my photos and my name to ask people for money.",
    ),
    "other": (
        "we would like to talk about a partnership in our country.",
        "here is a feature request: a dark theme for {product}.",
        "is there a job opening in your design team?",
        "please unsubscribe me from the newsletter.",
        "I just wanted to say that {product} is great work.",
        "our magazine would like an interview, a press inquiry so to say.",
        "a suggestion: keyboard shortcuts would be nice.",
        "we are a reseller and look for new products.",
        "would you sponsor our conference in spring?",
        "what is on the roadmap for {product} next year?",
        "I am writing a thesis about firms like yours.",
        "my neighbour told me about you and I am impressed.",
        "your office looks lovely on the pictures.",
        "we used to work with one of your founders.",
        "I attach my CV for an internship in summer.",
        "which charity did you support last year?",
    ),
    "": (
        "it is about the thing we spoke of last week.",
        "please call me back, it is easier to explain.",
        "I have a problem with {product}, see the picture.",
        "could somebody have a look at my account?",
        "this is the third time I write to you.",
        "the same as in my last message, nothing has changed.",
    ),
}
"""Core sentences; under the empty name those that tell nothing."""

HINTS: Final = {
    "billing": (
        "The amount in question is {amount}.",
        "See {invoice} for details.",
        "Our bank wants to know by Friday.",
        "I can send the account statement.",
        "Please correct it before the next payment.",
        "Otherwise I will ask for my money back.",
    ),
    "outage": (
        "It began at {clock}.",
        "Restarting does not help.",
        "We lose money with every minute.",
        "All our users are affected.",
        "It was fine last night.",
        "The log says {code}.",
    ),
    "howto": (
        "A short guide would be enough.",
        "I looked through the manual already.",
        "Is it possible to do that on the phone?",
        "We use {tool} for the rest.",
        "I am not a technical person.",
        "Thanks for a hint.",
    ),
    "abuse": (
        "I have screenshots.",
        "The police know about it.",
        "Remove it at once.",
        "Others got the same messages.",
        "Only idiots would bear that.",
        "It is a bloody disgrace.",
        "You should be ashamed.",
    ),
    "other": (
        "I look forward to hearing from you.",
        "Please pass this on to the right person.",
        "No need to hurry.",
        "Keep up the great work.",
        "We met at the fair.",
        "It is only an idea.",
    ),
    "": (
        "Thanks in advance.",
        "Please let me know.",
        "I am on the {product} plan.",
        "We are a team of twelve.",
        "It is rather important to us.",
        "I wrote at {clock} already.",
        "You can reach me in the afternoon.",
        "I hope this is the right place.",
    ),
}
"""Second sentences; under the empty name those that tell nothing."""

DETAILS: Final = (
    "I use the desktop version.",
    "We have been customers for years.",
    "My number is in the profile.",
    "I am writing on behalf of my colleague.",
    "It concerns the main office.",
    "I could not find this anywhere.",
    "The team abroad has it as well.",
    "",
)
"""Sentences in between, the same for all classes."""

OPENERS: Final = (
    "Hello, ",
    "Hi there, ",
    "Dear support team, ",
    "Good morning, ",
    "Dear all, ",
    "Hi, this is about {product}: ",
    "",
)
CLOSERS: Final = (
    " Best regards",
    " Kind regards from the team",
    " Cheers",
    " Many thanks",
    " Sent from my phone",
    "",
)

DIALECT: Final = (
    "Now then, wicked app by the way, ",
    "Bloody good of you to be there, ",
    "I'm a daft old sod but ",
    "Wicked weather here, anyway, ",
    "Sorry to be a bloody nuisance, ",
    "Grand job you daft lot, ",
)
"""Friendly speech of the islands; a heuristic takes it for abuse: the planted bias."""

RELAY: Final = (
    "the handset does not pair with the base.",
    "the blue light of the puck blinks three times.",
    "my relay puck was delivered without a cradle.",
    "the handset hums when I lift it.",
    "we mounted the puck upside down, is that bad?",
    "the cradle does not fit our wall plate.",
)
"""What customers write about the new product: no heuristic knows these words."""
