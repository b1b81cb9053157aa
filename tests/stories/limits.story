== 2.10 caps: a tier pays on a limited measure
program retrospective by month on amount
tier One from 0 pays 1% with max_measure = "100000"
order 2026-01-05 A1 150000
on 2026-01-31 A1 earns 1000.00 at One

== 2.10 caps: no more than so much for a member and period
program retrospective by month on amount
terms max_payout = "500"
tier One from 0 pays 1%
order 2026-01-05 A1 150000
on 2026-01-31 A1 earns 500.00 at One
on 2026-01-31 A1 says "capped at 500"

== 2.10 caps: no more than so much over the whole program
program retrospective by month on amount
terms max_payout_program = "120"
tier One from 0 pays 10%
order 2026-01-05 A1 1000
order 2026-02-05 A1 1000
on 2026-02-28 A1 in 2026-01 earns 100.00
on 2026-02-28 A1 in 2026-02 earns 20.00

== 2.10 caps: over the whole program, with a longer window
program retrospective by month on amount
terms max_payout_program = "120"
terms settlement.window = "year"
tier One from 0 pays 10%
order 2026-01-05 A1 1000
order 2026-02-05 A1 1000
order 2026-03-05 A1 1000
on 2026-03-31 A1 in 2026-01 is paid 100.00
on 2026-03-31 A1 in 2026-02 is paid 20.00
on 2026-03-31 A1 in 2026-03 is paid 0.00

== 2.10 caps: what is only carried so far counts toward the cap over the program
program retrospective by month on amount
terms min_payout = "50"
terms max_payout_program = "60"
tier One from 0 pays 10%
order 2026-01-05 A1 400
order 2026-02-05 A1 400
order 2026-03-05 A1 400
on 2026-03-31 A1 in 2026-01 is paid 0.00
on 2026-03-31 A1 in 2026-01 carries 40.00
on 2026-03-31 A1 in 2026-02 earns 20.00
on 2026-03-31 A1 in 2026-02 is paid 60.00
on 2026-03-31 A1 in 2026-03 is paid 0.00

== 2.10 caps: what was taken back by invoice may be earned again
program retrospective by month on amount
terms max_payout_program = "100"
terms settlement.claw_back = "invoice"
terms settlement.window = "quarter"
tier One from 0 pays 10%
order 2026-01-05 A1 1000
return 2026-02-05 A1 400
order 2026-04-05 A1 1000
on 2026-04-30 A1 in 2026-01 is paid 100.00
on 2026-04-30 A1 in 2026-02 is invoiced 40.00
on 2026-04-30 A1 in 2026-04 is paid 40.00

== 2.10 budget: first come, first served
program retrospective by month on amount
terms budget = "150"
tier One from 0 pays 10%
order 2026-01-05 B1 1000
order 2026-01-04 A1 1000
on 2026-01-31 A1 earns 100.00
on 2026-01-31 B1 earns 50.00

== 2.10 budget: or everybody the same part
program retrospective by month on amount
terms budget = "100"
terms budget_split = "pro_rata"
tier One from 0 pays 10%
order 2026-01-05 A1 1000
order 2026-01-05 A2 1000
order 2026-01-05 A3 1000
on 2026-01-31 A1 earns 33.34
on 2026-01-31 A2 earns 33.33
on 2026-01-31 A3 earns 33.33

== 2.10 budget: it comes before the minimum payout
program retrospective by month on amount
terms budget = "100"
terms min_payout = "20"
tier One from 0 pays 10%
order 2026-01-05 A1 900
order 2026-01-06 B1 500
order 2026-02-06 B1 150
on 2026-02-28 B1 in 2026-01 earns 10.00
on 2026-02-28 B1 in 2026-01 is paid 0.00
on 2026-02-28 B1 in 2026-02 is paid 25.00

== 2.10 budget: what it did not leave counts toward no cap over the program
program retrospective by month on amount
terms budget = "100"
terms max_payout_program = "150"
tier One from 0 pays 10%
order 2026-01-05 A1 1500
order 2026-02-06 A1 1500
on 2026-02-28 A1 in 2026-01 is paid 100.00
on 2026-02-28 A1 in 2026-02 is paid 50.00

== 2.10 budget: of each period, where the tier is counted over the year
program retrospective by month on amount
terms budget = "100"
terms settlement.window = "year"
tier One from 0 pays 10%
order 2026-01-05 A1 900
order 2026-02-06 A1 500
on 2026-02-28 A1 in 2026-01 is paid 90.00
on 2026-02-28 A1 in 2026-02 earns 140.00
on 2026-02-28 A1 in 2026-02 is paid 50.00

== 2.10 minimum payout: small amounts are carried forward, not lost
program retrospective by month on amount
terms min_payout = "50"
tier One from 0 pays 1%
order 2026-01-05 A1 3000
order 2026-02-05 A1 4000
on 2026-02-28 A1 in 2026-01 is paid 0.00
on 2026-02-28 A1 in 2026-01 carries 30.00
on 2026-02-28 A1 in 2026-02 is paid 70.00

== 2.10 minimum payout: what no payout follows is paid below it
program retrospective by month on amount
terms min_payout = "50"
terms ends = 2026-02-28
tier One from 0 pays 1%
order 2026-01-05 A1 3000
order 2026-02-05 A1 1000
on 2026-02-28 A1 in 2026-01 carries 30.00
on 2026-02-28 A1 in 2026-02 is paid 40.00
on 2026-02-28 A1 in 2026-02 carries 0.00

== 2.10 guarantee: at least so much
program retrospective by year on amount
terms guarantee = "7000"
tier One from 0 pays 13%
order 2026-03-05 A1 43000
on 2026-12-31 A1 earns 7000.00

== 2.11 eligibility: what does not count says why
program retrospective by month on amount
terms members.type = "Reseller"
terms counts.product.family = { not_in = ["Freight"] }
tier One from 0 pays 1%
account A1 type Reseller
account A2 type Customer
order 2026-01-05 A1 1000 of "Parts"
order 2026-01-05 A1 50 of Freight
order 2026-01-05 A2 1000 of "Parts"
on 2026-01-31 A1 earns 10.00
on 2026-01-31 A2 has no standing
on 2026-01-31 order 2 does not count because "Freight"
on 2026-01-31 order 3 does not count because "account.type is \"Customer\", not \"Reseller\""

== 2.11 eligibility: prefix, range and category tree
program retrospective by month on amount
terms counts.product.code = { prefix = "SK-" }
terms counts.product.category = { under = "Care/Skin" }
terms counts.line.discount = { below = "20" }
tier One from 0 pays 1%
order 2026-01-05 A1 1000 with product_code SK-1 with product_category Care/Skin/Face with discount 5
order 2026-01-05 A1 1000 with product_code HA-1 with product_category Care/Skin/Face with discount 5
order 2026-01-05 A1 1000 with product_code SK-2 with product_category Care/Hair with discount 5
order 2026-01-05 A1 1000 with product_code SK-1 with product_category Care/Skin with discount 20
on 2026-01-31 A1 earns 10.00
on 2026-01-31 order 3 does not count because "not under"
on 2026-01-31 order 4 does not count because "not below 20"

== 2.11 markets: terms of one region, without a copy of the program
program retrospective by month on amount
terms market.APAC = { when = { region = "APAC" }, tiers = { Gold = { rate = "3%" } } }
tier Silver from 0 pays 1%
tier Gold from 1000 pays 2%
account A1 region USA
account A2 region APAC
order 2026-01-05 A1 1000
order 2026-01-05 A2 1000
on 2026-01-31 A1 earns 20.00 at Gold
on 2026-01-31 A2 earns 30.00 at Gold

== 2.12 hierarchy: children count for the nearest enrolled parent
program retrospective by month on amount
terms hierarchy.roll_up = "parent"
terms members.type = "Head office"
tier One from 0 pays 1%
tier Two from 1500 pays 2%
account HQ type "Head office"
account B1 type Branch parent_id HQ
account B2 type Branch parent_id B1
order 2026-01-05 B1 1000
order 2026-01-05 B2 1000
on 2026-01-31 HQ earns 40.00 at Two
on 2026-01-31 B1 has no standing

== 2.12 hierarchy: an enrolled child is counted once, for itself
program retrospective by month on amount
terms hierarchy.roll_up = "parent"
terms members.type = "Head office"
tier One from 0 pays 1%
account HQ type "Head office"
account B1 type "Head office" parent_id HQ
order 2026-01-05 B1 1000
order 2026-01-05 HQ 500
on 2026-01-31 HQ earns 5.00
on 2026-01-31 B1 earns 10.00

== 2.12 hierarchy: parents in a circle are a reason, not a hang
program retrospective by month on amount
terms hierarchy.roll_up = "parent"
terms members.type = "Head office"
tier One from 0 pays 1%
account B1 type Branch parent_id B2
account B2 type Branch parent_id B1
order 2026-01-05 B1 1000
on 2026-01-31 order 1 does not count because "circle"

== 2.12 buying group: tier from the group, shared by volume to the last cent
program retrospective by month on amount
terms hierarchy = { roll_up = "group", pay = "share", members = [{ account = "A1", group = "Buyers" }, { account = "A2", group = "Buyers" }, { account = "A3", group = "Buyers", first = 2026-02-01 }] }
tier One from 0 pays 1%
tier Two from 300 pays 10%
order 2026-01-05 A1 100.05
order 2026-01-05 A2 200.05
order 2026-01-05 A3 500
on 2026-01-31 Buyers earns 30.01 at Two
on 2026-01-31 Buyers shares A1 10.01 A2 20.00
on 2026-01-31 order 3 does not count because "in no group"

== 2.12 buying group: paid through one account
program retrospective by month on amount
terms hierarchy = { payees = { Buyers = "A1" }, members = [{ account = "A1", group = "Buyers" }, { account = "A2", group = "Buyers" }] }
tier One from 0 pays 1%
order 2026-01-05 A1 100
order 2026-01-05 A2 200
on 2026-01-31 A1 earns 3.00 at One
on 2026-01-31 A2 has no standing

== 2.18 proration: a member that joined within the month has a smaller threshold and cap
program retrospective by month on amount
terms proration = { by = "days", of = ["threshold", "max_payout"] }
terms max_payout = "100"
account A1 active_from 2026-04-16
tier One from 1000 pays 20%
order 2026-04-20 A1 500
on 2026-04-30 A1 earns 50.00 at One

== 2.18 proration: an amount written for a year is one twelfth a month
program retrospective by month on amount
terms proration.annual = ["amount"]
tier One from 0 pays 12000 fixed
order 2026-02-20 A1 500
on 2026-02-28 A1 earns 1000.00 at One

== 2.24 ship and debit: lines sold under an agreement stay out of the volume
program retrospective by month on amount
terms ship_and_debit.lines = "exclude"
tier One from 0 pays 1%
order 2026-01-05 A1 1000
order 2026-01-06 A1 5000 under SPA-7
on 2026-01-31 A1 earns 10.00
on 2026-01-31 order 2 does not count because "line.agreement is set"

== 2.24 ship and debit: or are paid by the price difference
program retrospective by month on amount
terms ship_and_debit.agreements = [{ name = "SPA-7", reference = "10.00", price = "8.50" }]
tier One from 0 pays 1%
order 2026-01-05 A1 1000 for 100 units
order 2026-01-06 A1 850 for 100 units under SPA-7
on 2026-01-31 A1 earns 160.00
on 2026-01-31 A1 says "SPA-7: 10.00 - 8.50 on 100 units = 150"
