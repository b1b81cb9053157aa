== 2.7 growth on everything, once 10% above the same month last year
program retrospective by month on growth
terms growth.mode = "whole"
tier Grown from 110% pays 2%
order 2025-03-10 A1 10000
order 2026-03-10 A1 10999.99
on 2026-03-15 A1 earns 0.00 at none
order 2026-03-20 A1 0.01
on 2026-03-31 A1 earns 220.00 at Grown

== 2.7 growth on the excess only
program retrospective by year on growth
terms growth = { mode = "excess", baseline = "fixed" }
tier Grown from 115% pays 3%
baseline A1 4315000
order 2026-05-01 A1 5000000
on 2026-12-31 A1 earns 20550.00 at Grown

== 2.7 growth in bands of the ratio
program retrospective by year on growth
terms growth = { mode = "banded", baseline = "fixed" }
tier A from 110% pays 2%
tier B from 115% pays 3%
tier C from 120% pays 4%
baseline A1 2000000
order 2026-05-01 A1 2350000
on 2026-12-31 A1 earns 3500.00 at B

== 2.7 thresholds may be written as growth: 10% means 110% of the baseline
program retrospective by year on growth
terms growth = { mode = "whole", baseline = "fixed" }
tier Grown from 10% pays 2%
baseline A1 1000
order 2026-05-01 A1 1100
on 2026-12-31 A1 earns 22.00 at Grown

== 2.7 without a baseline nothing is guessed: the standing is incomplete
program retrospective by year on growth
terms growth = { mode = "whole", baseline = "fixed" }
tier Grown from 110% pays 2%
order 2026-05-01 A1 1100
on 2026-12-31 A1 earns 0.00 at none
on 2026-12-31 A1 is incomplete because "no baseline"

== 2.7 a zero baseline earns nothing unless the program says that any sale is growth
program retrospective by month on growth
terms growth.mode = "whole"
terms growth.zero = "any_sale"
tier Grown from 110% pays 2%
order 2025-03-10 A2 500
order 2026-03-10 A1 1000
on 2026-03-31 A1 earns 20.00 at Grown

== 2.7 a negative baseline earns nothing
program retrospective by month on growth
terms growth.mode = "whole"
tier Grown from 110% pays 2%
return 2025-03-10 A1 500
order 2026-03-10 A1 1000
on 2026-03-31 A1 earns 0.00 at none
on 2026-03-31 A1 says "the baseline is negative"

== 2.7 the average of two years, raised for price increases
program retrospective by month on growth
terms growth = { mode = "whole", baseline = "average", years = 2, indexed = "10%" }
tier Grown from 100% pays 1%
order 2024-03-10 A1 1000
order 2025-03-10 A1 3000
order 2026-03-10 A1 2200
on 2026-03-31 A1 earns 22.00 at Grown

== 2.7 a member that joined half-way has half the baseline
program retrospective by month on growth
terms growth = { mode = "whole", baseline = "fixed", new_members = "prorate" }
account A1 active_from 2026-04-16
tier Grown from 110% pays 10%
baseline A1 1000
order 2026-04-20 A1 550
on 2026-04-30 A1 earns 55.00 at Grown

== 2.7 what a member bought before it joined is a baseline and no growth
program retrospective by month on growth
terms growth = { mode = "whole", baseline = "same_period_last_year" }
account A1 active_from 2026-04-16
tier Grown from 110% pays 10%
order 2025-03-10 A1 1000
order 2025-04-10 A1 1000
order 2026-03-10 A1 5000
order 2026-04-10 A1 1000
order 2026-04-20 A1 2000
on 2026-04-30 A1 in 2026-04 earns 200.00

== 2.7 what a member bought before it joined is nothing beside a fixed baseline
program retrospective by month on growth
terms growth = { mode = "whole", baseline = "fixed", new_members = "prorate" }
account A1 active_from 2026-04-16
tier Grown from 150% pays 10%
baseline A1 1000
order 2026-03-10 A1 5000
order 2026-04-10 A1 1000
order 2026-04-20 A1 740
on 2026-04-30 A1 in 2026-04 earns 0.00

== 2.7 in progress the pace is compared with the like elapsed part of the baseline
program retrospective by month on growth
terms growth.mode = "whole"
tier Grown from 100% pays 1%
order 2025-02-10 A1 1000
order 2025-03-05 A1 100
order 2025-03-25 A1 900
order 2026-02-10 A1 1000
order 2026-03-05 A1 150
on 2026-03-10 A1 is on_track
on 2026-03-28 A1 is at_risk

== 2.8 attainment: slabs on the part of the target that was reached
program retrospective by quarter on attainment
tier Met from 100% pays 2%
tier Beaten from 120% pays 3%
target A1 100000
order 2026-02-01 A1 119999.99
on 2026-03-15 A1 earns 2400.00 at Met
order 2026-03-20 A1 0.01
on 2026-03-31 A1 earns 3600.00 at Beaten
order 2026-03-20 A2 500000
on 2026-03-31 A2 earns 0.00 at none
on 2026-03-31 A2 is incomplete because "no target"

== 2.9 spend and breadth: the tier is the lower of the two
program retrospective by month
terms qualifiers = [{ name = "spend", of = "amount" }, { name = "breadth", of = "categories", field = "product.family", values = ["Skin care", "Make-up", "Fragrance"] }]
tier One from { spend = "1000", breadth = "1" } pays 1%
tier Two from { spend = "5000", breadth = "2" } pays 2%
order 2026-01-05 A1 6000 of "Skin care"
on 2026-01-10 A1 earns 60.00 at One
order 2026-01-11 A1 10 of "Make-up"
on 2026-01-12 A1 earns 120.20 at Two
return 2026-01-13 A1 10 of "Make-up"
on 2026-01-31 A1 earns 60.00 at One

== 2.9 spend or breadth: either reaches the tier
program retrospective by month
terms join = "any"
terms qualifiers = [{ name = "spend", of = "amount" }, { name = "breadth", of = "categories", field = "product.family", values = ["Skin care", "Make-up"] }]
tier One from { spend = "5000", breadth = "2" } pays 1%
order 2026-01-05 A1 50 of "Skin care"
order 2026-01-05 A1 50 of "Make-up"
on 2026-01-31 A1 earns 1.00 at One

== 2.9 a mix is the share of one family in everything
program retrospective by month
terms qualifiers = [{ name = "mix", of = "mix", counts = { product = { family = "Skin care" } } }]
tier Mixed from 40% pays 1%
order 2026-01-05 A1 399 of "Skin care"
order 2026-01-05 A1 601 of "Make-up"
on 2026-01-10 A1 earns 0.00 at none
order 2026-01-11 A1 5 of "Skin care"
on 2026-01-31 A1 earns 10.05 at Mixed

== 2.9 a gate lets in, the qualifier picks the tier, the measure is paid on; each counts its own lines
program retrospective by month on amount
terms measure_counts.product.family = "Skin care"
terms gates = [{ name = "make-up units", of = "quantity", at_least = "10", counts = { product = { family = "Make-up" } } }]
tier One from 1000 pays 10%
order 2026-01-05 A1 400 for 4 units of "Skin care"
order 2026-01-06 A1 900 for 9 units of "Make-up"
on 2026-01-10 A1 earns 0.00 at none
on 2026-01-10 A1 says "make-up units is 9, below 10"
order 2026-01-11 A1 100 for 1 unit of "Make-up"
on 2026-01-31 A1 earns 40.00 at One

== 2.7 a growth table beside a plain qualifier means the growth of that, and one amount is everybody's baseline
program retrospective by year on quantity
terms growth = { mode = "excess", baseline = "1000" }
tier Grown from 110% pays 2 a unit
order 2026-05-01 A1 5000 for 1200 units
on 2026-12-31 A1 earns 400.00 at Grown
