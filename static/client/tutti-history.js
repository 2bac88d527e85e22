// Generated from static/client/src by `npm run client`: do not edit.
function d(r,e={},...t){let n=document.createElement(r);for(let[i,o]of Object.entries(e))o==null||o===!1||(typeof o=="function"?n.addEventListener(i.slice(2),o):
i.startsWith("--")?n.style.setProperty(i,String(o)):n.setAttribute(i,o===!0?"":String(o)));return n.append(...t.filter(i=>i!==null&&i!==!1)),n}var re={close:"m5\
 5 10 10M15 5 5 15",play:"M6.5 4.2v11.6l9-5.8z",pause:"M7 4.5v11M13 4.5v11",back:"m12.5 4.5-6 5.5 6 5.5",forth:"m7.5 4.5 6 5.5-6 5.5",flag:"M5 17V3.5h9.5L12 7.2\
l2.5 3.8H5",restore:"M4 5v4h4M4.3 9a6.2 6.2 0 1 1-.2 3M10 6.8V10l2.3 1.6",compare:"M10 3v14M3.5 6H7M3.5 10H7M3.5 14H7M13 6h3.5M13 10h3.5M13 14h3.5",pen:"m4 16 .\
8-3.3L13.3 4.2a1.6 1.6 0 0 1 2.3 0l.2.2a1.6 1.6 0 0 1 0 2.3L7.3 15.2 4 16Z"};function w(r){let e=document.createElementNS("http://www.w3.org/2000/svg","svg");e.
setAttribute("viewBox","0 0 20 20"),e.setAttribute("class","icon"),e.setAttribute("aria-hidden","true");let t=document.createElementNS("http://www.w3.org/2000/s\
vg","path");return t.setAttribute("d",re[r]),e.append(t),e}var ae=200;function E(r,{title:e,text:t,name:n,confirm:i,other:o,act:a,note:l}){let s=n!==void 0&&d("input",{type:"text",value:n,maxlength:ae,required:!0,autocomplete:"\
off","data-testid":"history-name"}),c=d("p",{class:"error",role:"alert",hidden:!0}),h=d("p",{"data-testid":"history-note"},"");return l?.then(u=>{h.textContent=
u},()=>{h.textContent=""}),new Promise(u=>{let p=!1,m=async f=>{for(let x of g.querySelectorAll("button"))x.disabled=!0;c.hidden=!0;try{await f(),p=!0,g.close()}catch(x){
c.textContent=x instanceof Error?x.message:String(x),c.hidden=!1;for(let T of g.querySelectorAll("button"))T.disabled=!1}},y=d("form",{onsubmit:f=>{f.preventDefault(),
m(()=>a(s?s.value.trim():""))}},d("h2",{id:"ask-title"},e),t?d("p",{},t):null,l?h:null,s&&d("label",{},"Name",s),c,d("div",{class:"ask-actions"},o?d("button",{type:"\
button",class:"button quiet",onclick:()=>{m(o.act)}},o.label):null,d("button",{type:"button",class:"button",onclick:()=>{g.close()}},"Cancel"),d("button",{type:"\
submit",class:"button primary","data-testid":"history-confirm"},i))),g=d("dialog",{class:"ask","aria-labelledby":"ask-title",onclose:()=>{g.remove(),u(p)}},y);r.
append(g),g.showModal()})}var v=r=>"text"in r;var U={paragraph:"p",blockquote:"blockquote",codeblock:"pre",bulletlist:"ul",orderedlist:"ol",listitem:"li",tasklist:"ul",taskitem:"li",table:"table",tablerow:"\
tr",tablecell:"td",tableheader:"th",horizontalrule:"hr",hardbreak:"br"},le={bold:"bold",strong:"bold",italic:"italic",em:"italic",strike:"strike",code:"code",underline:"\
underline",link:"underline"};function z(r,e,t=null){let n=new j(r,e,t),i=t===null?de:{before:!0,after:!0};return r.isXml?me(n.elements(r.root,i)):ue(n.inline(r.
root,i))}var ce=r=>r.map(J).join(`
`),J=r=>r.children.map(e=>v(e)?e.text:J(e)).join(""),de={before:!1,after:!0},j=class{#e;#n;#t;#o=new Set;#a=new Set;#c=0;constructor(e,t,n){this.#e=e,this.#n=t,
this.#t=n,n!==null&&e.isXml&&({kept:this.#o,gone:this.#a}=e.movedBetween(n,t))}#r(e,{before:t,after:n}){return{before:t&&this.#e.isThere(e,this.#t),after:n&&this.#e.
isThere(e,this.#n)}}#d({before:e,after:t}){return this.#t===null?t?"both":null:e&&t?"both":t?"after":e?"before":null}elements(e,t){return e.parts.flatMap(n=>{if(n.
kind!=="type")return this.inline({...e,parts:[n]},t);if(n.name!==null)return this.#f(n,t);let i=this.#r(n.unit,t);return this.#d(i)?this.inline(n,i):[]})}#f(e,t){
let n=e.unit,i=this.#r(n,t),o=this.#d(i);if(!o)return[];let a=this.#e.attributesOf(e,i.after?this.#n:this.#t),l=this.#t!==null&&o==="both"&&JSON.stringify(a)!==
JSON.stringify(this.#e.attributesOf(e,this.#t)),s=e.name,c=s.toLowerCase().replaceAll("_",""),h=Number(a.level),u=c==="heading"?`h${h>=1&&h<=6?h:1}`:Object.hasOwn(
U,c)?U[c]:null,p=this.#c,m=this.elements(e,i),y=o==="both"?new Set:Y(m);if(o==="before"&&y.size===0&&this.#c>p)return[];let g=o==="after"&&y.size===1&&y.has("bo\
th"),f={presence:g?"both":o,isChanged:l||g};return u?[{tag:u,...f,children:m}]:m.length>0?[{tag:"div",...f,label:s,children:m}]:[{tag:"div",...f,children:[this.#b(
s,n,o)]}]}#b(e,t,n){let{by:i,inserted:o}=this.#e;return{text:e,by:i[t],unit:t,presence:n,formats:[],isChanged:!1,isNew:o[t]===this.#n,object:!0}}inline(e,t){let n=[],
[i,o]=[new Map,new Map];for(let a of e.parts)this.#g(a,t,n,i,o);return n}#g(e,t,n,i,o){let a=this.#e;if(e.kind==="mark")a.isThere(e.unit,this.#n)&&X(i,e),this.#t!==
null&&a.isThere(e.unit,this.#t)&&X(o,e);else if(e.kind==="embed"){let l=this.#d(this.#r(e.unit,t));l&&n.push(this.#b(he(e.value),e.unit,l))}else if(e.kind==="ty\
pe"){let l=e.name===null?this.elements({...e,parts:[e]},t):this.#f(e,t);for(let s of l)n.push(s)}else this.#w(e.from,e.to,t,n,i,o)}#w(e,t,n,i,o,a){let l=this.#e,
{inserted:s,deleted:c,by:h}=l,[u,p]=[this.#n,this.#t??-1],m=W(o),y=this.#t===null?m:W(a),g=this.#t!==null&&JSON.stringify([...o].sort())!==JSON.stringify([...a].
sort()),f=e,x=0,T=0,$=!1,B=!1,D=b=>{if(x===0||b===f)return;let k=this.#t===null||x===3?"both":x===1?"after":"before";pe(i,{text:l.textOf(f,b,x===2?p:u),by:T,unit:f,
presence:k,formats:k==="before"?y:m,isChanged:g&&!B&&k==="both",isNew:$})};for(let b=e;b<t;b++){let[k,N]=[s[b],c[b]],M=(n.after&&k<=u&&(N===0||N>u)?1:0)|(n.before&&
k<=p&&(N===0||N>p)?2:0),H=M===1&&this.#o.has(b);H&&(M=3),M===2&&this.#a.has(b)&&(M=0,this.#c++);let V=k===u;M===x&&(M===0||h[b]===T&&V===$&&H===B)&&(b===e||l.codeAt(
b-1)!==10)||(D(b),f=b,x=M,T=h[b],$=V,B=H)}D(t)}};function Y(r,e=new Set){for(let t of r)v(t)?e.add(t.presence):Y(t.children,e);return e}function X(r,{key:e,value:t}){
t===null?r.delete(e):r.set(e,t)}var W=r=>[...r.keys()].map(e=>le[e.split("--")[0].toLowerCase()]).filter(e=>e!==void 0).sort(),he=r=>r&&typeof r=="object"?Object.
keys(r)[0]??"object":"object";function pe(r,e){let t=r.at(-1);t&&v(t)&&!t.object&&!t.text.endsWith(`
`)&&t.by===e.by&&t.presence===e.presence&&t.isNew===e.isNew&&t.isChanged===e.isChanged&&t.formats.join()===e.formats.join()?t.text+=e.text:r.push(e)}function ue(r){
let e=[I("div",[])];for(let t of r){let n=v(t)&&t.text.endsWith(`
`),i=n?t.text.slice(0,-1)+(t.presence==="both"?"":"\xB6"):null;i===null?e.at(-1).children.push(t):i!==""&&e.at(-1).children.push({...t,text:i}),n&&e.push(I("div",
[]))}return e}function me(r){let e=[],t=!1;for(let n of r)v(n)?t?e.at(-1).children.push(n):e.push(I("p",[n])):e.push(n),t=v(n);return e}var I=(r,e)=>({tag:r,presence:"\
both",isChanged:!1,children:e});var K=new Intl.DateTimeFormat(void 0,{hour:"2-digit",minute:"2-digit"}),fe=new Intl.DateTimeFormat(void 0,{hour:"2-digit",minute:"2-digit",second:"2-digit"}),be=new Intl.
DateTimeFormat(void 0,{day:"numeric",month:"short",year:"numeric"}),ge=new Intl.DateTimeFormat(void 0,{dateStyle:"medium",timeStyle:"medium"}),xe=new Intl.NumberFormat,
G=r=>new Date(r).setHours(0,0,0,0),ye=r=>Math.round((G(Date.now())-G(r))/864e5);function C(r){let e=ye(r);return e===0?"Today":e===1?"Yesterday":be.format(r)}var O=r=>`${C(
r)}, ${fe.format(r)}`,Q=r=>O(r).replace(/^(Today|Yesterday)/,e=>e.toLowerCase()),q=r=>ge.format(r);function _(r,e){let[t,n]=[K.format(r),K.format(e)];return t===
n?n:`${t} \u2013 ${n}`}var S=r=>xe.format(r),R=r=>`${S(r)} ${r===1?"character":"characters"}`;var L=class{element;#e=[];#n=[];constructor(e){this.element=e}show(e){let t=e.map(p=>JSON.stringify(p)),[n,i]=[this.#e,this.#n],o=0;for(;o<t.length&&o<n.length&&
t[o]===n[o];)o++;let a=0;for(;a<t.length-o&&a<n.length-o&&t.at(-1-a)===n.at(-1-a);)a++;let[l,s]=[t.length-a,n.length-a],c=new Map;for(let p=o;p<s;p++){let m=c.get(
n[p]);m?m.push(i[p]):c.set(n[p],[i[p]])}let h=e.slice(o,l).map((p,m)=>c.get(t[o+m])?.shift()??Z(p));for(let p of c.values())for(let m of p)m.remove();let u=i[s]??
null;for(let p=h.length-1;p>=0;p--){let m=h[p];(m.nextSibling!==u||m.parentNode!==this.element)&&this.element.insertBefore(m,u),u=m}return this.#e=t,this.#n=[...i.
slice(0,o),...h,...i.slice(s)],h[0]??null}};function Z(r){let{tag:e,presence:t,isChanged:n,label:i,children:o}=r,a=o.length===0&&e!=="hr"&&e!=="br",l=d(e,{class:[
"block",t!=="both"&&t,n&&"changed",i&&"labelled"].filter(Boolean).join(" "),dir:"auto","data-label":i},a&&document.createElement("br"));for(let s of o)l.append(
v(s)?we(s):Z(s));return l}function we({text:r,by:e,unit:t,presence:n,formats:i,isChanged:o,isNew:a,object:l}){let s=n==="after"?"ins":n==="before"?"del":"span",
c=["run",`by-${e}`,...i,o&&"changed",a&&"new",l&&"object"];return d(s,{class:c.filter(Boolean).join(" "),"data-unit":t},r)}function ee(r,e,t){let n=({to:a,startedAt:l,endedAt:s,authors:c})=>({kind:"session",seq:a,edit:r.editAt(a),fromMs:Date.parse(l),toMs:Date.parse(s),users:c.map(({
user:h})=>h),inserted:c.reduce((h,{inserted:u})=>h+u,0),deleted:c.reduce((h,{deleted:u})=>h+u,0)}),i=({seq:a,label:l,authors:s})=>{let c=r.editAt(a),h=r.timeOf(
c);return{kind:"version",seq:a,edit:c,fromMs:h,toMs:h,users:s,label:l,inserted:0,deleted:0}},o=a=>a.kind==="version"?0:1;return[...e.map(n),...t.map(i)].sort((a,l)=>l.
seq-a.seq||o(a)-o(l))}function te(r,e){let t=new Map(r.authors.map((n,i)=>[n,i]));return Array.from({length:Math.min(e,r.count)},(n,i,o=Math.min(e,r.count))=>{let a=new Map,
[l,s]=[Math.floor(i*r.count/o),Math.floor((i+1)*r.count/o)];for(let c=l+1;c<=s;c++){let h=t.get(r.editorOf(c));a.set(h,(a.get(h)??0)+1)}return[...a].reduce((c,h)=>h[1]>
c[1]?h:c,[0,0])[0]})}var ne=`
:host {
  --page: var(--tutti-page, light-dark(#f5f1ea, #15131a));
  --surface: var(--tutti-surface, light-dark(#fffdf9, #1d1a23));
  --hover: var(--tutti-hover, light-dark(#ebe5da, #262230));
  --line: var(--tutti-line, light-dark(#e3dccf, #2f2a39));
  --line-strong: var(--tutti-line-strong, light-dark(#cfc6b6, #443d52));
  --ink: var(--tutti-ink, light-dark(#241f2e, #ece7f1));
  --ink-2: var(--tutti-ink-2, light-dark(#5d5668, #b3abbf));
  --accent: var(--tutti-accent, light-dark(#94620f, #e5b75f));
  --primary: var(--tutti-primary, light-dark(#241f2e, #efe9dd));
  --on-primary: var(--tutti-on-primary, light-dark(#fffdf9, #1d1a23));
  --came: light-dark(#1f6b43, #7fd6a5);
  --went: light-dark(#a3271d, #f5998b);
  --sans: var(--tutti-sans, system-ui, -apple-system, 'Segoe UI', sans-serif);
  --serif: var(--tutti-serif, var(--sans));
  --mono: ui-monospace, 'SF Mono', 'Cascadia Code', 'Liberation Mono', Menlo, monospace;
}
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
h2, h3, p, ol, ul { margin: 0; padding: 0; }
button, input, select { font: inherit; color: inherit; }
button { cursor: pointer; }
button:disabled { opacity: 0.45; cursor: default; }
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.icon { flex: none; width: 18px; height: 18px; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }

dialog { padding: 0; border: 0; background: var(--surface); color: var(--ink); font: 400 14px/1.45 var(--sans); accent-color: var(--accent); }
dialog::backdrop { background: #15131a80; }
.panel { position: fixed; inset: 0; width: calc(100vw - 48px); max-width: 1360px; height: calc(100dvh - 48px); max-height: none; margin: auto; border-radius: 16\
px; overflow: hidden; box-shadow: 0 24px 64px -12px #0007; }
.panel[open] { display: grid; grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr) 320px; }

.head { grid-column: 1 / -1; display: flex; align-items: center; gap: 12px; min-height: 60px; padding: 8px 12px 8px 24px; border-bottom: 1px solid var(--line); \
}
.head h2 { font: 400 23px/1.3 var(--serif); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 14px; flex: 1; min-width: 0; max-height: 44px; overflow: hidden; margin-left: 12px; list-style: none; }
.legend li { display: inline-flex; align-items: center; gap: 7px; color: var(--ink-2); font-size: 13px; white-space: nowrap; }
.dot { flex: none; width: 10px; height: 10px; border-radius: 50%; background: var(--who); }

.button { display: inline-flex; align-items: center; justify-content: center; gap: 8px; min-height: 38px; padding: 0 14px; border: 1px solid var(--line-strong);\
 border-radius: 10px; background: var(--surface); font-weight: 550; white-space: nowrap; }
.button:hover:not(:disabled) { background: var(--hover); }
.button.primary { border-color: transparent; background: var(--primary); color: var(--on-primary); }
.button.primary:hover:not(:disabled) { background: var(--primary); opacity: 0.88; }
.icon-button { display: inline-grid; place-items: center; flex: none; width: 40px; height: 40px; padding: 0; border: 0; border-radius: 10px; background: none; c\
olor: var(--ink-2); }
.icon-button:hover:not(:disabled) { background: var(--hover); color: var(--ink); }
.play { border-radius: 50%; background: var(--primary); color: var(--on-primary); }
.play:hover:not(:disabled) { background: var(--primary); color: var(--on-primary); opacity: 0.88; }

.stage { position: relative; min-height: 0; overflow: auto; padding: 28px clamp(16px, 5vw, 72px) 48px; background: var(--page); }
.stage:focus-visible { outline-offset: -3px; }
.caption { max-width: 760px; margin: 0 auto 14px; color: var(--ink-2); font-size: 13px; font-variant-numeric: tabular-nums; }
.caption b { color: var(--ink); font-weight: 600; }
.came { color: var(--came); }
.went { color: var(--went); }
.sheet { max-width: 760px; min-height: 160px; margin: 0 auto; padding: clamp(18px, 4vw, 44px); border: 1px solid var(--line); border-radius: 12px; background: v\
ar(--surface); font-size: 16px; line-height: 1.75; overflow-wrap: anywhere; }
.sheet:empty::before { content: attr(data-empty); color: var(--ink-2); }
.sheet > .block { content-visibility: auto; contain-intrinsic-size: auto 1.75em; }
.sheet.is-text .block { white-space: pre-wrap; }
.sheet p, .sheet pre, .sheet ul, .sheet ol, .sheet blockquote, .sheet h1, .sheet h2, .sheet h3, .sheet h4, .sheet h5, .sheet h6 { margin: 0 0 0.6em; }
.sheet h1, .sheet h2, .sheet h3 { font: 400 1.7em/1.25 var(--serif); }
.sheet h2 { font-size: 1.4em; }
.sheet h3 { font-size: 1.2em; }
.sheet ul, .sheet ol { padding-inline-start: 1.5em; }
.sheet li > p { margin: 0; }
.sheet blockquote { padding-inline-start: 1em; border-inline-start: 3px solid var(--line-strong); }
.sheet pre { padding: 0.8em 1em; border-radius: 8px; background: var(--page); font: 0.88em/1.6 var(--mono); white-space: pre-wrap; }
.sheet td, .sheet th { padding: 4px 8px; border: 1px solid var(--line-strong); text-align: start; vertical-align: top; }
.labelled { padding: 6px 10px; border: 1px dashed var(--line-strong); border-radius: 8px; }
.labelled::before { content: attr(data-label); display: block; color: var(--ink-2); font-size: 12px; }
.object { padding: 1px 6px; border: 1px dashed var(--line-strong); border-radius: 6px; color: var(--ink-2); font-size: 0.85em; }
.bold { font-weight: 680; }
.italic { font-style: italic; }
.code { font-family: var(--mono); font-size: 0.9em; }
.underline { text-decoration: underline; }
.strike { text-decoration: line-through; }
ins, del { text-decoration: none; border-radius: 3px; }

.sheet:not(.is-compared) .run { background: color-mix(in srgb, var(--who) 11%, transparent); box-shadow: inset 0 -2px color-mix(in srgb, var(--who) 62%, transpa\
rent); }
.sheet:not(.is-compared) .run.new { background: color-mix(in srgb, var(--who) 42%, transparent); }
.is-compared ins.run { background: color-mix(in srgb, var(--came) 20%, transparent); text-decoration: underline 2px color-mix(in srgb, var(--came) 70%, transpar\
ent); text-underline-offset: 3px; }
.is-compared del.run { background: color-mix(in srgb, var(--went) 16%, transparent); color: var(--went); text-decoration: line-through; }
.is-compared .run.changed, .is-compared .block.changed { background: color-mix(in srgb, var(--accent) 18%, transparent); }
.is-compared .block.after { box-shadow: var(--aside, -6px) 0 var(--surface), calc(var(--aside, -6px) - 3px) 0 var(--came); }
.is-compared .block.before { box-shadow: var(--aside, -6px) 0 var(--surface), calc(var(--aside, -6px) - 3px) 0 var(--went); }
.is-compared li { --aside: -1.3em; }

.is-compared .block:is(.after, .before) .block { box-shadow: none; }

.list { display: flex; flex-direction: column; min-height: 0; border-left: 1px solid var(--line); }
.rows { flex: 1; overflow: auto; padding: 8px; list-style: none; }
.rows h3 { padding: 14px 12px 6px; color: var(--ink-2); font-size: 12px; font-weight: 600; }
.row { display: flex; align-items: center; border-radius: 10px; }
.row:hover { background: var(--hover); }
.row.is-current { background: var(--hover); box-shadow: inset 3px 0 var(--accent); }
.go { flex: 1; min-width: 0; padding: 9px 12px; border: 0; border-radius: 10px; background: none; text-align: start; }
.row-title { display: flex; align-items: center; gap: 8px; font-weight: 550; font-variant-numeric: tabular-nums; }
.row-title .icon { width: 16px; height: 16px; color: var(--accent); }
.row-label { overflow: hidden; text-overflow: ellipsis; }
.row-people { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 8px; margin-top: 3px; color: var(--ink-2); font-size: 12.5px; }
.row-people span { display: inline-flex; align-items: center; gap: 5px; }
.row-people .dot { width: 8px; height: 8px; }
.note { padding: 16px 20px; color: var(--ink-2); }

.foot { grid-column: 1 / -1; display: flex; align-items: center; gap: 8px 16px; padding: 12px 16px; border-top: 1px solid var(--line); }
.player { display: flex; align-items: center; gap: 4px; flex: 1; min-width: 0; }
.track { position: relative; flex: 1; min-width: 0; margin: 0 8px; }
.strip { position: absolute; inset-inline: 9px; top: 50%; height: 8px; margin-top: -4px; border-radius: 4px; background: var(--line-strong); }
.pin { position: absolute; top: -13px; width: 10px; height: 12px; margin-left: -5px; background: var(--accent); clip-path: polygon(0 0, 100% 0, 100% 60%, 50% 10\
0%, 0 60%); }
.slider { position: relative; display: block; width: 100%; height: 40px; margin: 0; background: none; appearance: none; cursor: pointer; }
.slider::-webkit-slider-runnable-track { height: 8px; background: none; }
.slider::-moz-range-track { height: 8px; background: none; }
.slider::-webkit-slider-thumb { appearance: none; width: 18px; height: 26px; margin-top: -9px; border: 3px solid var(--surface); border-radius: 9px; background:\
 var(--primary); box-shadow: 0 1px 4px #0006; }
.slider::-moz-range-thumb { width: 12px; height: 20px; border: 3px solid var(--surface); border-radius: 9px; background: var(--primary); box-shadow: 0 1px 4px #\
0006; }
.steps { flex: none; min-width: 9ch; color: var(--ink-2); font-size: 13px; font-variant-numeric: tabular-nums; text-align: end; white-space: nowrap; }
.actions { display: flex; align-items: center; gap: 8px; }
.compare { display: inline-flex; align-items: center; gap: 8px; min-height: 38px; padding-inline-start: 12px; border: 1px solid var(--line-strong); border-radiu\
s: 10px; color: var(--ink-2); }
.compare:focus-within { outline: 2px solid var(--accent); outline-offset: 2px; }
.compare select { max-width: 170px; min-height: 36px; padding-inline: 2px 8px; border: 0; border-radius: 10px; background: var(--surface); outline: none; }

.skeleton { max-width: 760px; margin: 0 auto; padding: 44px; }
.skeleton i { display: block; height: 14px; margin: 0 0 18px; border-radius: 7px; background: var(--line); animation: breathe 1.4s ease-in-out infinite; }
.skeleton i:nth-child(2n) { width: 82%; }
.skeleton i:nth-child(3n) { width: 64%; }
@keyframes breathe { 50% { opacity: 0.45; } }
@media (prefers-reduced-motion: reduce) { .skeleton i { animation: none; } }
.card { max-width: 460px; margin: 10vh auto; text-align: center; }
.card p { margin: 8px 0 20px; color: var(--ink-2); }

.ask { width: min(440px, calc(100vw - 32px)); padding: 24px; border-radius: 16px; box-shadow: 0 24px 64px -12px #0009; }
.ask h2 { font: 400 21px/1.3 var(--serif); }
.ask p { margin-top: 10px; color: var(--ink-2); }
.ask .error { color: var(--went); }
.ask label { display: block; margin-top: 16px; font-weight: 550; }
.ask input { width: 100%; min-height: 42px; margin-top: 6px; padding: 0 12px; border: 1px solid var(--line-strong); border-radius: 10px; background: var(--page)\
; }
.ask-actions { display: flex; flex-wrap: wrap; justify-content: flex-end; gap: 8px; margin-top: 22px; }
.ask-actions .quiet { margin-inline-end: auto; border-color: transparent; background: none; color: var(--went); }

.list-button { display: none; }
@media (max-width: 899px) {
  .panel { width: 100vw; height: 100dvh; border-radius: 0; }
  .panel[open] { grid-template-columns: minmax(0, 1fr); }
  .head { padding-inline-start: 16px; min-height: 56px; }
  .legend { flex-wrap: nowrap; overflow-x: auto; margin-left: 4px; scrollbar-width: none; }
  .list-button { display: inline-flex; }
  .stage { grid-area: 2 / 1; }
  .list { grid-area: 2 / 1; justify-self: end; z-index: 1; width: min(340px, 88vw); background: var(--surface); box-shadow: -12px 0 32px -16px #0008; }
  .list:not(.is-open) { display: none; }
  .foot { flex-direction: column; align-items: stretch; padding: 8px 12px max(10px, env(safe-area-inset-bottom)); }
  .actions { flex-wrap: wrap; }
  .actions .button { flex: 1; padding: 0 10px; }
  .compare { flex: 1 1 100%; }
  .compare select { flex: 1; max-width: none; }
  .stage { padding: 16px 12px 32px; }
  .sheet { padding: 18px; }
  .steps { min-width: 0; font-size: 12px; }
}
`;var ve=/[\ud800-\udfff]/g;var A=class{count;authors;root;isXml;head;inserted;deleted;by;#e;#n=new Map;#t;#o;#a;#c;constructor({seq:e,kind:t,authors:n,edits:i,units:o,nodes:a,moved:l=[],pairs:s=[]}){
let{length:c}=o.text;this.head=e,this.count=i.count,this.authors=n,this.#e=this.#r(o.text,s),this.#t=l,this.isXml=t==="xml",this.inserted=P(o.inserted,new Uint32Array(
c)),this.deleted=P(o.deleted,new Uint32Array(c)),this.by=P(o.by,new Uint32Array(c)),this.#o=P(i.seq,new Float64Array(i.count)),this.#c=P(i.by,new Uint32Array(i.
count));let h=0;this.#a=Float64Array.from(i.at,u=>h+=u),this.root=ke(a,c,this.isXml)}textOf(e,t,n){let i=this.#e.slice(e,t);return this.#n.size===0?i:i.replace(
ve,(o,a)=>(this.#n.get(e+a)??1/0)>n?o:"\uFFFD")}codeAt(e){return this.#e.charCodeAt(e)}#r(e,t){let n=[],i=0,o=t.flatMap(([a,l,s,c])=>{let h=String.fromCodePoint(
s);return[{unit:a,half:h[0],until:c},{unit:l,half:h[1],until:c}]});for(let{unit:a,half:l,until:s}of o.sort((c,h)=>c.unit-h.unit))this.#n.set(a,s),n.push(e.slice(
i,a),l),i=a+1;return n.length>0?n.join("")+e.slice(i):e}seqOf(e){return this.#o[e-1]??0}timeOf(e){return this.#a[Math.max(e,1)-1]??0}editorOf(e){return this.authors[this.#c[e-
1]??-1]}editAt(e){let[t,n]=[0,this.count];for(;t<n;){let i=t+n>>1;this.#o[i]<=e?t=i+1:n=i}return t}isThere(e,t){let n=this.deleted[e];return this.inserted[e]<=t&&
(n===0||n>t)}movedBetween(e,t){let[n,i]=[new Set,new Set];for(let[o,,a]of this.#t)for(let l=o;l<o+a;l++){if(!this.isThere(l,t)||this.isThere(l,e))continue;let s=this.#d(
l);for(;s!==null&&!this.isThere(s,e);)s=this.#d(s);s===null||i.has(s)||this.isThere(s,t)||(n.add(l),i.add(s))}return{kept:n,gone:i}}#d(e){let[t,n]=[0,this.#t.length];
for(;t<n;){let o=t+n>>1;this.#t[o][0]<=e?t=o+1:n=o}let i=this.#t[t-1];return i&&e<i[0]+i[2]?i[1]+e-i[0]:null}attributesOf(e,t){return Object.fromEntries(e.attributes.
filter(({unit:n})=>this.isThere(n,t)).map(({key:n,value:i})=>[n,i]))}};function P(r,e){let t=0;for(let n=0;n<r.length;n+=3){let i=r[n],o=r[n+1];for(let a=r[n+2];a>
0;a--,i+=o)e[t++]=i}return e}function ke(r,e,t){let n=ie(null,t?"":null,e),i=[n],o=0,a=s=>{s>o&&i.at(-1).parts.push({kind:"units",from:o,to:s}),o=Math.max(o,s)},
l=s=>{for(;i.length>1&&i.at(-1).end<=s;)a(i.at(-1).end),i.pop()};for(let s of r){l(s.at),a(s.at);let c=i.at(-1);if(o=s.at+1,s.kind==="attribute")c.attributes.push(
{unit:s.at,key:s.key,value:s.value});else if(s.kind==="mark")c.parts.push({kind:"mark",unit:s.at,key:s.key,value:s.value});else if(s.kind==="embed")c.parts.push(
{kind:"embed",unit:s.at,value:s.value});else{let h=ie(s.at,s.kind==="element"?s.name:null,s.end);c.parts.push(h),i.push(h)}}return l(e),a(e),n}var ie=(r,e,t)=>({
kind:"type",unit:r,name:e,end:t,attributes:[],parts:[]});var Me=1e3,Oe=240,Se=3e4,Te=90,se=["#b4472e","#a8650f","#64762a","#2d7d53","#1f7a80","#2f6fb0","#5e5fc0","#8a4fae","#b03f86","#b93c5d"],oe=12;function Re(r){return new F(
r)}var F=class{#e;#n=d("div",{"data-testid":"history"});#t;#o;#a=d("div",{class:"stage",tabindex:0,role:"region","aria-label":"The document as it was"});#c=d("p",
{class:"caption","data-testid":"history-caption"});#r=d("div",{class:"sheet","data-testid":"history-document","data-empty":"Nothing was written yet."});#d=new L(
this.#r);#f=d("ul",{class:"legend","aria-label":"Authors"});#b=d("ol",{class:"rows","data-testid":"history-rows"});#g=d("section",{class:"list",id:"list","aria-\
label":"Versions and sessions"},this.#b);#w=this.#l({class:"button list-button","aria-controls":"list","aria-expanded":"false",onclick:()=>this.#q()},w("flag"),
"Versions");#v=this.#l({class:"icon-button play","data-testid":"history-play","aria-label":"Play",title:"Play",onclick:()=>this.#p(!this.#u)},w("play"));#C=this.#l(
{class:"icon-button","aria-label":"One step back",title:"One step back",onclick:()=>this.#M(this.#s-1)},w("back"));#L=this.#l({class:"icon-button","aria-label":"\
One step forward",title:"One step forward",onclick:()=>this.#M(this.#s+1)},w("forth"));#h=d("input",{class:"slider",type:"range",min:0,max:0,step:1,"aria-label":"\
Moment","data-testid":"history-slider",oninput:()=>this.#M(Number(this.#h.value))});#S=d("div",{class:"strip","aria-hidden":"true"});#$=d("span",{class:"steps",
"data-testid":"history-steps"});#x=d("select",{"aria-label":"Compare with","data-testid":"history-compare",onchange:()=>this.#O(!1)});#B=this.#l({class:"button",
"data-testid":"history-name-version",onclick:()=>this.#Y()},w("flag"),"Name");#H=this.#l({class:"button primary","data-testid":"history-restore",onclick:()=>this.#G()},
w("restore"),"Restore");#k;#i=null;#j=[];#T=[];#R=[];#s=0;#u=!1;#I=0;#y=!1;constructor(e){this.#e=e,this.#t=this.#n.attachShadow({mode:"open"});let t=new CSSStyleSheet;
t.replaceSync(ne),this.#t.adoptedStyleSheets=[t];let n=d("div",{class:"player"},this.#v,this.#C,d("div",{class:"track"},this.#S,this.#h),this.#L,this.#$),i=d("l\
abel",{class:"compare",title:"Compare with"},w("compare"),this.#x);this.#k=d("div",{class:"foot",hidden:!0},n,d("div",{class:"actions"},i,this.#P&&this.#B,this.#P&&
this.#H)),this.#o=d("dialog",{class:"panel","aria-labelledby":"title",onclose:()=>this.#_(),onkeydown:o=>this.#F(o)},d("div",{class:"head"},d("h2",{id:"title"},
"History"),this.#f,this.#w,this.#l({class:"icon-button","aria-label":"Close",title:"Close","data-testid":"history-close",onclick:()=>this.close()},w("close"))),
this.#a,this.#g,this.#k),this.#r.addEventListener("pointerover",({target:o})=>this.#W(o)),this.#t.append(this.#o),document.body.append(this.#n),this.#o.showModal(),
this.#z()}close(){this.#o.close()}get#P(){return this.#e.mayWrite??(this.#e.room.access==="write"||this.#e.room.access==="admin")}#l(e,...t){return d("button",{
type:"button",...e},...t)}#_(){this.#y=!0,this.#p(!1),this.#n.remove(),this.#e.onClose?.()}#F(e){e.key!==" "||e.composedPath()[0]!==this.#h||(e.preventDefault(),
this.#p(!this.#u))}async#z(){let{room:{past:e},root:t}=this.#e;this.#a.replaceChildren(d("div",{class:"skeleton",role:"status","aria-label":"Loading the history"},
...Array.from({length:6},()=>d("i"))));let n=Promise.all([e.activity({limit:Me}),e.versions()]);n.catch(()=>{});try{let i=await e.replay({root:t});if(this.#y)return;
this.#V(new A(i));let[{sessions:o},a]=await n;if(this.#y)return;this.#j=o,this.#T=a,this.#N()}catch(i){this.#y||this.#D(i)}}#D({code:e,message:t}){this.#k.hidden=
!0;let n=(i,o,...a)=>{this.#a.replaceChildren(d("div",{class:"card",role:"alert"},d("h2",{},i),d("p",{},o),...a))};e==="room_not_found"||e==="root_not_found"?n(
"No history yet","It begins with the first word that is written."):e==="too_costly"?n("This history is too long to be shown",t):n("The history cannot be shown n\
ow",t,this.#l({class:"button primary",onclick:()=>{this.#z()}},"Try again"))}#V(e){this.#i=e,this.#U(e),this.#r.classList.toggle("is-text",!e.isXml),this.#a.replaceChildren(
this.#c,this.#r),this.#h.max=String(e.count),this.#k.hidden=!1,this.#N(),this.#A(e.count,!1),this.#h.focus()}#U(e){let t=e.authors.map(l=>this.#m(l)),n=new CSSStyleSheet;
n.replaceSync(t.map(({colour:l},s)=>`.by-${s} { --who: ${l}; }`).join(`
`)),this.#t.adoptedStyleSheets=[this.#t.adoptedStyleSheets[0],n];let i=t.length-oe;this.#f.replaceChildren(...t.slice(0,oe).map(({name:l},s)=>d("li",{},d("span",
{class:`dot by-${s}`}),l)),...i>0?[d("li",{},`+${i}`)]:[]);let o=te(e,Oe),a=o.map((l,s)=>`${t[l]?.colour} ${s/o.length*100}% ${(s+1)/o.length*100}%`);a.length>0&&
(this.#S.style.background=`linear-gradient(to right, ${a.join(", ")})`)}#m(e){let{name:t,colour:n}=this.#e.personOf?.(e)??{name:e,colour:""},i=0;for(let o of e)
i=i*31+o.codePointAt(0)>>>0;return{name:t,colour:/^#[0-9a-f]{6}$/i.test(n)?n:se[i%se.length]}}#M(e){this.#p(!1),this.#A(e)}#A(e,t=!0){let{count:n}=this.#i,i=this.#s;
if(this.#s=Math.min(Math.max(e,0),n),this.#h.value=String(this.#s),cancelAnimationFrame(this.#I),this.#u)return this.#O(t);this.#I=requestAnimationFrame(()=>this.#O(
t&&Math.abs(this.#s-i)<=1))}#O(e){let t=this.#i,[n,{count:i}]=[this.#s,t],o=this.#x.value===""?null:Number(this.#x.value),[a,l]=o===null?[null,n]:[Math.min(o,n),
Math.max(o,n)],s=z(t,l,a);this.#r.classList.toggle("is-compared",a!==null);let c=this.#d.show(s.length===1&&s[0].children.length===0?[]:s);e&&c?.scrollIntoView(
{block:"nearest"});let h=n===0?"Before the first word":O(t.timeOf(n)),u=n>0?this.#m(t.editorOf(n)).name:"",p=`${S(n)} of ${S(i)}`;this.#h.setAttribute("aria-val\
uetext",[h,u,`step ${p}`].filter(Boolean).join(", ")),this.#$.textContent=p.replace(" of "," / "),this.#c.replaceChildren(...a===null?[d("b",{},h),u&&` \xB7 ${u}`,
n===i?" \xB7 now":""]:this.#X(s,a,l)),this.#C.disabled=n===0,this.#L.disabled=n===i,this.#H.disabled=n===i,this.#B.disabled=n===0;for(let{row:m,element:y}of this.#R)
y.classList.toggle("is-current",m.edit===n),m.edit===n?y.firstElementChild.setAttribute("aria-current","true"):y.firstElementChild.removeAttribute("aria-current")}#X(e,t,n){
let i={after:0,before:0,both:0},o=s=>{for(let c of s.children)v(c)?c.object||(i[c.presence]+=c.text.length):o(c)};e.forEach(o);let a=s=>s===0?"the beginning":s===
this.#i.count?"now":Q(this.#i.timeOf(s)),l=[i.after>0&&d("span",{class:"came"},`+${R(i.after)}`),i.before>0&&d("span",{class:"went"},`\u2212${R(i.before)}`)];return[
d("b",{},`From ${a(t)} to ${a(n)}`),...l.filter(s=>s!==!1).flatMap(s=>[" \xB7 ",s])]}#W(e){let t=e.dataset?.unit;if(t===void 0||e.title)return;let{inserted:n,deleted:i,
by:o,authors:a}=this.#i,l=this.#i,s=[`${this.#m(a[o[Number(t)]]).name}, ${O(l.timeOf(n[Number(t)]))}`],c=i[Number(t)];e.tagName==="DEL"&&c>0&&s.push(`deleted by\
 ${this.#m(l.editorOf(c)).name}, ${O(l.timeOf(c))}`),e.title=s.join(`
`)}#p(e){if(this.#u===e)return;this.#u=e;let t=e?"Pause":"Play";if(this.#v.replaceChildren(w(e?"pause":"play")),this.#v.setAttribute("aria-label",t),this.#v.title=
t,!e)return;let{count:n}=this.#i,i=this.#s===n?0:this.#s,o=Math.min(Te,Se/n),a=performance.now(),l=s=>{if(!this.#u)return;let c=Math.min(i+Math.max(Math.floor((s-
a)/o),0),n);if(c!==this.#s&&this.#A(c),c===n)return this.#p(!1);requestAnimationFrame(l)};requestAnimationFrame(l)}#q(e=!this.#g.classList.contains("is-open")){
this.#g.classList.toggle("is-open",e),this.#w.setAttribute("aria-expanded",String(e))}#N(){let e=this.#i,t=ee(e,this.#j,this.#T);this.#R=t.map(s=>({row:s,element:this.#J(
s)}));let n=[],i="";for(let{row:s,element:c}of this.#R){let h=C(s.toMs);h!==i&&n.push(d("li",{},d("h3",{},h))),i=h,n.push(c)}this.#b.replaceChildren(...n);let o=(s,c)=>d(
"option",{value:s,selected:String(s)===this.#x.value},c),a=t.map(s=>o(s.edit,s.label??`${C(s.toMs)}, ${_(s.fromMs,s.toMs)}`));this.#x.replaceChildren(o("","Comp\
are\u2026"),o(e.count,"Now"),o(0,"The beginning"),...a);let l=t.filter(({kind:s})=>s==="version").map(({edit:s,label:c})=>{let h=d("span",{class:"pin",title:c});
return h.style.left=`${s/Math.max(e.count,1)*100}%`,h});this.#S.replaceChildren(...l),this.#O(!1)}#J(e){let{kind:t,edit:n,fromMs:i,toMs:o,users:a,label:l,inserted:s,
deleted:c}=e,h=new Map(this.#i.authors.map((f,x)=>[f,x])),u=a.slice(0,4).map(f=>d("span",{},d("span",{class:`dot by-${h.get(f)??""}`,"--who":this.#m(f).colour}),
this.#m(f).name)),p=t==="version"?[w("flag"),d("span",{class:"row-label"},l)]:[_(i,o)],m=[s>0&&d("span",{class:"came"},`+${S(s)}`),c>0&&d("span",{class:"went"},
`\u2212${S(c)}`)],y=this.#l({class:"go","data-testid":"history-row","data-kind":t,onclick:()=>{this.#M(n),this.#q(!1)}},d("span",{class:"row-title"},...p),d("sp\
an",{class:"row-people"},t==="version"?O(o):"",...u,...m)),g=t==="version"&&this.#P&&this.#l({class:"icon-button","aria-label":`Rename ${l}`,title:"Rename",onclick:()=>{
this.#K(e)}},w("pen"));return d("li",{class:"row"},y,g)}async#E(){this.#T=await this.#e.room.past.versions(),this.#N()}async#Y(){let{past:e}=this.#e.room;this.#p(
!1);let[t,n]=[this.#i,this.#s];await E(this.#t,{title:"Name this version",text:`The document as it was on ${q(t.timeOf(n))}.`,name:"",confirm:"Name it",act:async i=>{
await e.nameVersion({seq:t.seqOf(n),label:i}),await this.#E()}})}async#K({seq:e,label:t}){let{past:n}=this.#e.room,i={seq:e,label:t};await E(this.#t,{title:"Ren\
ame this version",name:t,confirm:"Rename",act:async o=>{o!==t&&await n.changeVersion(i,{label:o}),await this.#E()},other:{label:"Remove the name",act:async()=>{
await n.removeVersion(i),await this.#E()}}})}async#G(){let{past:e}=this.#e.room;this.#p(!1);let[t,n]=[this.#i,this.#s],i=t.seqOf(n),o=`history-${Date.now().toString(
36)}-${Math.random().toString(36).slice(2)}`,a=null;await E(this.#t,{title:"Restore this version?",text:`Everybody will see the document as it was ${n===0?"befo\
re the first word":`on ${q(t.timeOf(n))}`}. What it is now stays in the history, so you can come back to it.`,note:e.restore(i,{dryRun:!0}).then(({inserted:l,deleted:s})=>`${R(
l)} will come back, ${R(s)} will go.`),confirm:"Restore",act:async()=>{a=await e.restore(i,{key:o})}}),!(!a||this.#y)&&(this.close(),this.#e.onRestored?.(a))}};export{A as Timeline,z as blocksOf,Re as openHistory,ce as plainTextOf};
