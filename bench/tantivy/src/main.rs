// The other side of bench/text_bench: indexes the documents of one file, asks the queries of another, and prints a
// line a query: nanoseconds of the fastest round, then document:score of the hits.
//
//   tantivy_bench DOCUMENTS QUERIES ROUNDS K
use std::fs;
use std::time::Instant;
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, IndexWriter, ReloadPolicy, TantivyDocument, Term};

fn main() -> tantivy::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let documents = fs::read_to_string(&args[1]).expect("documents");
    let queries = fs::read_to_string(&args[2]).expect("queries");
    let rounds: usize = args[3].parse().expect("rounds");
    let k: usize = args[4].parse().expect("k");

    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("whitespace")
        .set_index_option(IndexRecordOption::WithFreqs);
    let body = schema.add_text_field("body", TextOptions::default().set_indexing_options(indexing));
    let row = schema.add_u64_field("row", NumericOptions::default().set_fast());
    let index = Index::create_in_ram(schema.build());
    let begin = Instant::now();
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 400_000_000)?;
    for (i, text) in documents.lines().enumerate() {
        let mut document = TantivyDocument::default();
        document.add_text(body, text);
        document.add_u64(row, i as u64);
        writer.add_document(document)?;
    }
    writer.commit()?;
    let ids = index.searchable_segment_ids()?;
    if ids.len() > 1 {
        writer.merge(&ids).wait()?;
    }
    writer.wait_merging_threads()?;
    println!("index {}", begin.elapsed().as_nanos());

    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    let searcher = reader.searcher();
    println!("segments {}", searcher.segment_readers().len());
    let prepared: Vec<BooleanQuery> = queries
        .lines()
        .map(|line| {
            let terms = line.split(' ').map(|word| {
                let term = Term::from_field_text(body, word);
                let query: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
                (Occur::Should, query)
            });
            BooleanQuery::new(terms.collect())
        })
        .collect();
    let rows: Vec<_> = searcher
        .segment_readers()
        .iter()
        .map(|segment| segment.fast_fields().u64("row").expect("row"))
        .collect();
    let mut nanos = vec![u128::MAX; prepared.len()];
    let mut answers = vec![Vec::new(); prepared.len()];
    for _ in 0..rounds {
        for (i, query) in prepared.iter().enumerate() {
            let begin = Instant::now();
            let hits = searcher.search(query, &TopDocs::with_limit(k))?;
            nanos[i] = nanos[i].min(begin.elapsed().as_nanos());
            answers[i] = hits;
        }
    }
    for (time, hits) in nanos.iter().zip(&answers) {
        let hits: Vec<String> = hits
            .iter()
            .map(|(score, at)| {
                let document = rows[at.segment_ord as usize].first(at.doc_id).expect("row");
                format!("{document}:{score}")
            })
            .collect();
        println!("{time} {}", hits.join(" "));
    }
    Ok(())
}
