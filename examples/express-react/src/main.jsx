import { StrictMode, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { Article } from './Article.jsx'

const parameters = new URLSearchParams(location.search)
const user = parameters.get('user') ?? 'ada'
const article = parameters.get('article')
const { server } = await (await fetch('/config')).json()
const fetchToken = async () => (await fetch(`/token?user=${user}`)).text()

/** The rows of the back end's database, what was changed last at the top. */
function List () {
  const [articles, setArticles] = useState([])
  const load = async () => setArticles(await (await fetch('/articles')).json())
  useEffect(() => {
    load()
    const timer = setInterval(load, 1_000)
    return () => clearInterval(timer)
  }, [])
  const remove = async (id) => {
    await fetch(`/articles/${id}`, { method: 'DELETE' })
    await load()
  }
  const onSubmit = async (event) => {
    event.preventDefault()
    const form = event.target
    await fetch('/articles', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ title: form.elements.title.value }) })
    form.reset()
    await load()
  }
  return (
    <main>
      <h1>Articles</h1>
      <ol>
        {articles.map(({ id, title, changedAt }) => (
          <li key={id}>
            <a href={`?user=${user}&article=${id}`}>{title}</a> <time dateTime={changedAt}>{new Date(changedAt).toLocaleString()}</time>{' '}
            <button onClick={() => remove(id)}>Delete</button>
          </li>
        ))}
      </ol>
      <form onSubmit={onSubmit}><input name="title" aria-label="Title" maxLength="200" required /> <button>New article</button></form>
    </main>
  )
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    {article
      ? <main><a href={`?user=${user}`}>All articles</a><Article url={`${server}/hocuspocus`} id={article} fetchToken={fetchToken} /></main>
      : <List />}
  </StrictMode>
)
